/*---
title: Views read with the rights of who asks
subject: view
universe: views
priority: info
effort: S
credit: ratio
why: |
  By default a view reads its tables with the rights of its owner: a grant on the view is a grant on what it shows of
  them. That is often the purpose. It is worth knowing of each one, since the policies and grants of the tables don't
  hold for the view's readers. With security_invoker (PostgreSQL 15) they do.
mend: |
  Where the view is not meant to show more than its reader may see: alter view ... set (security_invoker = true);
links:
  - https://www.postgresql.org/docs/current/sql-createview.html
---*/
select
    pg_catalog.format('%I.%I', ns.nspname, v.relname) as subject,
    v.oid as objid,
    ns.oid as schemaid,
    exists (
        select
        from pg_catalog.unnest(v.reloptions) as o (setting)
        where
            o.setting like 'security\_invoker=%'
            and pg_catalog.split_part(o.setting, '=', 2)::pg_catalog.bool
    ) as ok,
    case
        when pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 150000
            then pg_catalog.format(
                E'-- From here on its readers need their own rights on its tables.\n'
                'alter view %I.%I set (security_invoker = true);',
                ns.nspname, v.relname
            )
    end as remedy,
    pg_catalog.pg_get_userbyid(v.relowner) as owner
from pg_catalog.pg_class as v
inner join pg_catalog.pg_namespace as ns on v.relnamespace = ns.oid
where v.relkind = 'v'
order by subject
