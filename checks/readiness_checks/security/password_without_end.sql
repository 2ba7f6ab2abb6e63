/*---
title: Passwords of login roles have an end
subject: role
universe: login roles
priority: info
effort: M
credit: ratio
why: |
  A password that never ends is changed when somebody thinks of it, and lives on in every backup of every configuration
  that it ever stood in. Whether an end is worth the outage that it can cause is a house's own rule; so this weighs
  nothing.
mend: |
  alter role ... valid until '...'; and a job that changes the password before.
links:
  - https://www.postgresql.org/docs/current/sql-createrole.html
---*/
select
    pg_catalog.quote_ident(r.rolname) as subject,
    r.rolvaliduntil is not null and r.rolvaliduntil <> 'infinity' as ok,
    r.rolvaliduntil::pg_catalog.text as valid_until
from pg_catalog.pg_roles as r
where r.rolcanlogin and r.rolname !~ '^pg_'
order by subject
