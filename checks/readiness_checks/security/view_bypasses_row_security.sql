/*---
title: No view passes over row level security
subject: view
universe: views of tables with row level security
priority: P1
effort: S
credit: ratio
why: |
  A view reads its tables with the rights of its owner. When the owner is exempt from their policies (a superuser, a
  role with BYPASSRLS, the tables' owner where row security is not forced), whoever may read the view sees every
  tenant's rows. With security_invoker it reads with the rights of who asks.
mend: |
  alter view ... set (security_invoker = true); and grant its readers what they need on the tables. Before PostgreSQL
  15: give the view to an owner who is bound by the policies, or force row level security on the tables.
links:
  - https://www.postgresql.org/docs/current/sql-createview.html
  - https://www.postgresql.org/docs/current/ddl-rowsecurity.html
---*/
-- Tables that a view reads itself, in a join or a sub-select too; those behind another view are that view's.
select
    pg_catalog.format('%I.%I', ns.nspname, v.relname) as subject,
    v.oid as objid,
    ns.oid as schemaid,
    invoker.yes or pg_catalog.bool_and(not exempt.yes) as ok,
    case
        when pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 150000
            then pg_catalog.format(
                E'-- From here on its readers need their own rights on its tables.\n'
                'alter view %I.%I set (security_invoker = true);',
                ns.nspname, v.relname
            )
    end as remedy,
    pg_catalog.pg_get_userbyid(v.relowner) as owner,
    pg_catalog.array_agg(distinct pg_catalog.format('%I.%I', tns.nspname, t.relname)) as reads
from pg_catalog.pg_class as v
inner join pg_catalog.pg_namespace as ns on v.relnamespace = ns.oid
inner join pg_catalog.pg_roles as owner on v.relowner = owner.oid
inner join pg_catalog.pg_rewrite as rule on v.oid = rule.ev_class and rule.ev_type = '1'
inner join pg_catalog.pg_depend as d
    on
        rule.oid = d.objid
        and d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
inner join pg_catalog.pg_class as t on d.refobjid = t.oid and t.relrowsecurity
inner join pg_catalog.pg_namespace as tns on t.relnamespace = tns.oid
cross join lateral (
    select
        owner.rolsuper
        or owner.rolbypassrls
        or (not t.relforcerowsecurity and pg_catalog.pg_has_role(v.relowner, t.relowner, 'usage')) as yes
) as exempt
cross join lateral (
    select
        exists (
            select
            from pg_catalog.unnest(v.reloptions) as o (setting)
            where
                o.setting like 'security\_invoker=%'
                and pg_catalog.split_part(o.setting, '=', 2)::pg_catalog.bool
        ) as yes
) as invoker
where v.relkind = 'v'
group by v.oid, v.relname, v.relowner, ns.oid, ns.nspname, invoker.yes
order by subject
