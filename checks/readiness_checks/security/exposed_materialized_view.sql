/*---
title: No materialized view can be read by everybody
subject: view
universe: materialized views
priority: P1
effort: S
credit: ratio
why: |
  A materialized view holds rows that its owner saw when it was refreshed. No policy holds for it: row level security
  can't be enabled there. What is granted to PUBLIC, or to the roles of an API, shows every tenant's rows to all of
  them.
mend: |
  Revoke the grant, and offer a view with security_invoker, or a function, that filters for who asks.
links:
  - https://www.postgresql.org/docs/current/rules-materializedviews.html
  - https://www.postgresql.org/docs/current/ddl-priv.html
---*/
-- Everybody: PUBLIC, and the roles that an API gives to its callers, with what they inherit. Only where they may use
-- the schema. A grant on one column is a grant.
with exposed as (
    select
        0::pg_catalog.oid as oid,
        'public' as name
    union all
    select
        r.oid,
        r.rolname::pg_catalog.text
    from pg_catalog.pg_roles as r
    where
        r.rolname::pg_catalog.text = any (
            pg_catalog.regexp_split_to_array(
                coalesce(
                    nullif(pg_catalog.current_setting('readiness.api_roles', true), ''), 'anon, authenticated'
                ),
                '\s*,\s*'
            )
        )
)

select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    everybody.names is null as ok,
    case
        when granted.roles is not null
            then pg_catalog.format(
                E'-- Grant it to the roles that need it before.\nrevoke select on %I.%I from %s;',
                ns.nspname, c.relname, granted.roles)
    end as remedy,
    everybody.names as open_to
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
cross join lateral (
    select pg_catalog.array_agg(e.name order by e.oid) as names
    from exposed as e
    where
        pg_catalog.has_schema_privilege(e.oid, ns.oid, 'usage')
        and pg_catalog.has_any_column_privilege(e.oid, c.oid, 'select')
) as everybody
cross join lateral (
    -- who holds what everybody has: themselves, or a role whose rights they inherit
    select
        pg_catalog.string_agg(
            distinct case a.grantee
                when 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee))
            end,
            ', '
        ) as roles
    from (
        select g.*
        from pg_catalog.aclexplode(c.relacl) as g
        union all
        select g.*
        from pg_catalog.pg_attribute as att
        cross join lateral pg_catalog.aclexplode(att.attacl) as g
        where att.attrelid = c.oid
    ) as a
    where
        a.privilege_type = 'SELECT'
        and a.grantee <> c.relowner
        and exists (
            select
            from exposed as e
            where
                a.grantee = 0
                or (e.oid <> 0 and a.grantee <> 0 and pg_catalog.pg_has_role(e.oid, a.grantee, 'usage'))
        )
) as granted
where c.relkind = 'm'
order by subject
