/*---
title: New passwords are kept as SCRAM-SHA-256
subject: setting
universe: settings of password_encryption
priority: P2
effort: S
credit: binary
why: |
  password_encryption decides how a password is kept that is set from now on. With md5 each new one is kept as a hash
  that logs in as it is. A role or a database may have a setting of its own, which goes before the server's.
mend: |
  password_encryption = 'scram-sha-256'; where it is set for a role or a database: alter role ... reset
  password_encryption;
links:
  - https://www.postgresql.org/docs/current/auth-password.html
---*/
-- Where a setting of a role or a database is for us, it covers the server's.
with own as (
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
        s.name as subject,
        s.reset_val as value,
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
        'system' as reset
    from pg_catalog.pg_settings as s
    where s.name = 'password_encryption'
    union all
    select
        own.name || ' of ' || own.whose as subject,
        own.value,
        false as covered,
        own.reset
    from own
    where own.name = 'password_encryption'
)

select
    said.subject,
    case when not said.covered then pg_catalog.lower(said.value) = 'scram-sha-256' end as ok,
    case when said.covered then 'not_observable' end as unseen,
    case
        when said.reset = 'system'
            then
                E'alter system set password_encryption = ''scram-sha-256'';\nselect pg_catalog.pg_reload_conf();'
        else pg_catalog.format('alter %s reset password_encryption;', said.reset)
    end as remedy,
    said.value
from said
order by said.subject
