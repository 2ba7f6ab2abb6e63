/*---
title: No table that everybody may read or write is without row level security
subject: table
universe: tables
priority: P1
effort: M
credit: ratio
why: |
  What is granted to PUBLIC is granted to every role that can connect, today's and tomorrow's; what is granted to the
  roles of an API is granted to whoever calls it. Row level security is then all that stands between a caller and the
  whole table. A partition is reached by its own name too, past the policies of its root.
mend: |
  Revoke what was granted to everybody and grant it to the roles that need it; or write policies and enable row level
  security. On a partition enabling it, without any policy, is right: the way through the root stays open.
links:
  - https://www.postgresql.org/docs/current/ddl-rowsecurity.html
  - https://www.postgresql.org/docs/current/ddl-priv.html
---*/
-- Everybody: PUBLIC, and the roles that an API gives to its callers, with what they inherit. Only where they may use
-- the schema. A grant on one column is a grant.
with exposed as materialized (
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
    c.relrowsecurity or everybody.names is null as ok,
    case when everybody.names is not null then pg_catalog.format(
        E'-- From here on nobody but the owner sees a row until a policy allows it: write the policies first.\n'
        'alter table %I.%I enable row level security;',
        ns.nspname, c.relname
    ) end as remedy,
    everybody.names as open_to
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
cross join lateral (
    select pg_catalog.array_agg(e.name order by e.oid) as names
    from exposed as e
    where
        pg_catalog.has_schema_privilege(e.oid, ns.oid, 'usage')
        and (
            pg_catalog.has_table_privilege(e.oid, c.oid, 'select, insert, update, delete, truncate')
            or pg_catalog.has_any_column_privilege(e.oid, c.oid, 'select, insert, update')
        )
) as everybody
where c.relkind in ('r', 'p')
order by subject
