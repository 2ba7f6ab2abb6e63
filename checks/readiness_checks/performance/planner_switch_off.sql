/*---
title: The planner may use every kind of plan
subject: setting
universe: the planner's switches
priority: P2
effort: S
credit: binary
why: |
  enable_nestloop = off and its like cure one query on one afternoon, for all queries and for good: the planner then
  avoids the plan even where everything else is a hundred times dearer, and nobody remembers why.
mend: |
  Reset it. For the one query, mend its estimate (analyze, extended statistics), or set it in its transaction alone.
links:
  - https://www.postgresql.org/docs/current/runtime-config-query.html#RUNTIME-CONFIG-QUERY-ENABLE
---*/
-- Those that come switched on; the partitionwise plans come off and may stay so. Where a setting of our own role, or of
-- this database, covers the server's, that is unseen.
with own as (
    select
        g.setrole,
        g.setdatabase,
        pg_catalog.split_part(o.setting, '=', 1) as name,
        pg_catalog.split_part(o.setting, '=', 2)::pg_catalog.bool as is_on,
        case
            when r.oid is not null
                then
                    pg_catalog.format(
                        'role %I%s', r.rolname, coalesce(' in database ' || pg_catalog.quote_ident(d.datname), '')
                    )
            when d.oid is not null then pg_catalog.format('database %I', d.datname)
            else 'role all'
        end as whose
    from pg_catalog.pg_db_role_setting as g
    cross join lateral pg_catalog.unnest(g.setconfig) as o (setting)
    left join pg_catalog.pg_roles as r on g.setrole = r.oid
    left join pg_catalog.pg_database as d on g.setdatabase = d.oid
    where o.setting ~ '^enable_\w+='
)

select
    s.name as subject,
    case
        when not exists (
            select
            from own as o
            where
                o.name = s.name
                and (o.setrole = 0 or o.setrole = current_user::pg_catalog.regrole)
                and (
                    o.setdatabase = 0
                    or o.setdatabase = (
                        select d.oid
                        from pg_catalog.pg_database as d
                        where d.datname = pg_catalog.current_database()
                    )
                )
        ) then s.reset_val = 'on'
    end as ok,
    'not_observable' as unseen,
    pg_catalog.format(E'alter system reset %s;\nselect pg_catalog.pg_reload_conf();', s.name) as remedy
from pg_catalog.pg_settings as s
where s.name like 'enable\_%' and s.vartype = 'bool' and s.boot_val = 'on'
union all
select
    own.name || ' of ' || own.whose as subject,
    own.is_on as ok,
    'not_observable' as unseen,
    pg_catalog.format('alter %s reset %s;', own.whose, own.name) as remedy
from own
inner join pg_catalog.pg_settings as s on own.name = s.name
where s.boot_val = 'on'
order by subject
