/*---
title: Autovacuum runs
subject: setting
universe: settings that autovacuum needs
priority: P0
effort: S
credit: binary
why: |
  Without autovacuum dead rows stay, tables and indexes grow, and the planner works with what it knew months ago.
  track_counts is what tells autovacuum where to go: switched off, it goes nowhere; switched off for one role, it learns
  nothing of what that role changes. Only against the end of the
  transaction ids does it still start, and then all at once.
mend: |
  Switch it on and reload. Where it takes too much, make it slower (autovacuum_vacuum_cost_limit), not silent.
links:
  - https://www.postgresql.org/docs/current/runtime-config-vacuum.html
---*/
-- What begins with a setting of its own: single roles and databases (as operations/unsafe-durability-setting).
select
    s.name as subject,
    s.reset_val = 'on' as ok,
    pg_catalog.format(E'alter system set %s = on;\nselect pg_catalog.pg_reload_conf();', s.name) as remedy,
    s.reset_val as value,
    s.source as set_by
from pg_catalog.pg_settings as s
where s.name in ('autovacuum', 'track_counts')
union all
select
    pg_catalog.concat_ws(
        ' ', 'track_counts', 'for role ' || pg_catalog.quote_ident(r.rolname),
        'in database ' || pg_catalog.quote_ident(d.datname)
    ) as subject,
    own.value::pg_catalog.bool as ok,
    case
        when r.rolname is null then pg_catalog.format('alter database %I reset track_counts;', d.datname)
        when d.datname is null then pg_catalog.format('alter role %I reset track_counts;', r.rolname)
        else pg_catalog.format('alter role %I in database %I reset track_counts;', r.rolname, d.datname)
    end as remedy,
    own.value,
    'role or database' as set_by
from pg_catalog.pg_db_role_setting as rs
cross join lateral pg_catalog.unnest(rs.setconfig) as line (text)
cross join lateral (
    select
        pg_catalog.split_part(line.text, '=', 1) as name,
        pg_catalog.split_part(line.text, '=', 2) as value
) as own
left join pg_catalog.pg_roles as r on rs.setrole = r.oid
left join pg_catalog.pg_database as d on rs.setdatabase = d.oid
where own.name = 'track_counts' and (r.oid is not null or d.oid is not null)
order by subject
