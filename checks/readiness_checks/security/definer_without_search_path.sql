/*---
title: Every SECURITY DEFINER function has its search_path fixed
subject: function
universe: SECURITY DEFINER functions
priority: P1
effort: S
credit: ratio
why: |
  A SECURITY DEFINER function runs with its owner's rights, and looks up names by the search_path of whoever calls it.
  A caller who puts a schema of his own first (pg_temp will do) puts his tables, functions and operators in the place of
  those that were meant, and they run with the owner's rights.
mend: |
  alter function ... set search_path = ...: the schemas that it needs, none that others may create in, pg_temp last.
links:
  - https://www.postgresql.org/docs/current/sql-createfunction.html#SQL-CREATEFUNCTION-SECURITY
---*/
select
    pg_catalog.format(
        '%I.%I(%s)', ns.nspname, f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid)
    ) as subject,
    f.oid as objid,
    ns.oid as schemaid,
    fixed.search_path is not null as ok,
    pg_catalog.format(
        E'-- Names without a schema are looked up in these from here on; add what else the function needs.\n'
        'alter %s %I.%I(%s) set search_path = pg_catalog, %s pg_temp;',
        case f.prokind when 'p' then 'procedure' else 'function' end,
        ns.nspname, f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid),
        case when ns.nspname <> 'pg_catalog' then pg_catalog.quote_ident(ns.nspname) || ',' else '' end
    ) as remedy,
    pg_catalog.pg_get_userbyid(f.proowner) as owner,
    fixed.search_path
from pg_catalog.pg_proc as f
inner join pg_catalog.pg_namespace as ns on f.pronamespace = ns.oid
left join lateral (
    select pg_catalog.substr(c.setting, 13) as search_path
    from pg_catalog.unnest(f.proconfig) as c (setting)
    where c.setting like 'search\_path=%'
) as fixed on true
where f.prosecdef
order by subject
