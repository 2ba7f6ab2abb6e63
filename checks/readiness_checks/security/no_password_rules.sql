/*---
title: The server looks at new passwords, and doesn't wait long for one
subject: setting
universe: settings of the password policy
priority: info
effort: M
credit: ratio
why: |
  Without a module the server takes any password, also the role's name. Modules see it only when it comes in the clear,
  which psql's \password and good clients avoid; so they guard against slips, not against will. Where logins come by
  certificate or from an identity provider none is needed; so this weighs nothing.
mend: |
  shared_preload_libraries = 'passwordcheck' (or credcheck), with a restart; authentication_timeout at a minute or less.
links:
  - https://www.postgresql.org/docs/current/passwordcheck.html
  - https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-AUTHENTICATION-TIMEOUT
---*/
select
    wanted.name as subject,
    case wanted.name
        when 'shared_preload_libraries' then s.reset_val ~ '(passwordcheck|credcheck)'
        else s.reset_val::pg_catalog.int8 <= 60
    end as ok,
    'no_permission' as unseen,
    pg_catalog.format('grant pg_read_all_settings to %I;', current_user) as unlock,
    s.reset_val as value
from (values ('shared_preload_libraries'), ('authentication_timeout')) as wanted (name)
left join pg_catalog.pg_settings as s on wanted.name = s.name
order by subject
