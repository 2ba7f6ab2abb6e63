/*---
title: No setting is on that is for repair or for developers of Postgres
subject: setting
universe: settings for repair
priority: P1
effort: S
credit: binary
why: |
  zero_damaged_pages, ignore_checksum_failure and their like are for the last hour of a rescue: they turn damage into
  silence. allow_system_table_mods lets a slip of the pen change the catalog. row_security = off for all turns what
  policies would filter into errors. Left on, they wait for their day.
mend: |
  alter system reset ...; or remove it from the file; where a role or a database has it: alter role ... reset ...;
links:
  - https://www.postgresql.org/docs/current/runtime-config-developer.html
---*/
-- What the server's files say (reset_val: our own session sets some), and what a role or a database has beside it.
-- Where one of the latter is for us, it covers the server's.
with judged (name, wanted) as (
    values
    ('allow_system_table_mods', 'off'),
    ('db_user_namespace', 'off'),
    ('ignore_checksum_failure', 'off'),
    ('ignore_invalid_pages', 'off'),
    ('ignore_system_indexes', 'off'),
    ('row_security', 'on'),
    ('zero_damaged_pages', 'off')
),

own as (
    select
        g.setrole,
        g.setdatabase,
        pg_catalog.split_part(o.setting, '=', 1) as name,
        pg_catalog.split_part(o.setting, '=', 2) as value,
        coalesce(
            nullif(
                pg_catalog.concat_ws(
                    ' in ',
                    'role ' || pg_catalog.quote_ident(r.rolname),
                    'database ' || pg_catalog.quote_ident(d.datname)
                ),
                ''
            ),
            'all roles'
        ) as whose,
        case
            when r.oid is not null
                then
                    pg_catalog.format(
                        'role %I%s', r.rolname, coalesce(' in database ' || pg_catalog.quote_ident(d.datname), '')
                    )
            when d.oid is not null then pg_catalog.format('database %I', d.datname)
            else 'role all'
        end as reset
    from pg_catalog.pg_db_role_setting as g
    cross join lateral pg_catalog.unnest(g.setconfig) as o (setting)
    left join pg_catalog.pg_roles as r on g.setrole = r.oid
    left join pg_catalog.pg_database as d on g.setdatabase = d.oid
),

said as (
    select
        j.name as subject,
        s.reset_val = j.wanted as ok,
        exists (
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
        ) as covered,
        'system' as reset,
        j.name,
        s.reset_val as value
    from judged as j
    inner join pg_catalog.pg_settings as s on j.name = s.name
    union all
    select
        j.name || ' of ' || own.whose as subject,
        own.value::pg_catalog.bool = j.wanted::pg_catalog.bool as ok,
        false as covered,
        own.reset,
        j.name,
        own.value
    from own
    inner join judged as j on own.name = j.name
)

select
    said.subject,
    case when not said.covered then said.ok end as ok,
    case when said.covered then 'not_observable' end as unseen,
    pg_catalog.format(
        'alter %s reset %s;%s', said.reset, said.name,
        case when said.reset = 'system' then E'\nselect pg_catalog.pg_reload_conf();' end
    ) as remedy,
    said.value
from said
order by said.subject
