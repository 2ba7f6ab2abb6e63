/*---
title: What was committed survives a crash
subject: setting
universe: settings that durability hangs on
priority: P0
effort: S
credit: binary
why: |
  Without fsync or full_page_writes a crash of the machine leaves a database that can't be repaired. With
  synchronous_commit off the last moments of committed transactions are lost.
mend: |
  Set it right and reload; no restart is needed. Where a role or a database has a setting of its own, reset that.
  Sessions that can do without may still set synchronous_commit to off, each for its own transaction.
links:
  - https://www.postgresql.org/docs/current/runtime-config-wal.html
---*/
-- reset_val is what a session begins with, whatever it has set since; what single roles and databases begin with stands
-- in pg_db_role_setting. Settings for repair are security/dangerous-setting's.
with safe (name, value) as (
    values
    ('fsync', 'on'),
    ('full_page_writes', 'on'),
    ('synchronous_commit', 'on')
)

select
    safe.name as subject,
    case safe.name when 'synchronous_commit' then s.reset_val <> 'off' else s.reset_val = safe.value end as ok,
    pg_catalog.format(
        E'alter system set %s = %s;\nselect pg_catalog.pg_reload_conf();', safe.name, safe.value
    ) as remedy,
    s.reset_val as value,
    s.source as set_by
from safe
inner join pg_catalog.pg_settings as s on safe.name = s.name
union all
select
    pg_catalog.concat_ws(
        ' ', safe.name, 'for role ' || pg_catalog.quote_ident(r.rolname),
        'in database ' || pg_catalog.quote_ident(d.datname)
    ) as subject,
    case safe.name when 'synchronous_commit' then own.value <> 'off' else own.value = safe.value end as ok,
    case
        when r.rolname is null then pg_catalog.format('alter database %I reset %s;', d.datname, safe.name)
        when d.datname is null then pg_catalog.format('alter role %I reset %s;', r.rolname, safe.name)
        else pg_catalog.format('alter role %I in database %I reset %s;', r.rolname, d.datname, safe.name)
    end as remedy,
    own.value,
    'role or database' as set_by
from pg_catalog.pg_db_role_setting as rs
cross join lateral pg_catalog.unnest(rs.setconfig) as line (text)
cross join lateral (
    select
        pg_catalog.split_part(line.text, '=', 1) as name,
        case pg_catalog.lower(pg_catalog.substr(line.text, pg_catalog.strpos(line.text, '=') + 1))
            when 'off' then 'off' when 'false' then 'off' when 'no' then 'off' when '0' then 'off'
            else 'on'
        end as value
) as own
inner join safe on own.name = safe.name
left join pg_catalog.pg_roles as r on rs.setrole = r.oid
left join pg_catalog.pg_database as d on rs.setdatabase = d.oid
order by subject
