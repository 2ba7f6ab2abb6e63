/*---
title: Only roles that need the database may connect to it
subject: database
universe: databases
priority: info
effort: S
credit: binary
why: |
  Postgres lets every role connect to every database, and make temporary tables there. In a cluster with one database
  that says little; where several share it, each one's roles reach all the others' schemas as far as PUBLIC may.
mend: |
  revoke connect, temporary on database ... from public; after granting connect to the roles that need it.
links:
  - https://www.postgresql.org/docs/current/ddl-priv.html
---*/
select
    pg_catalog.quote_ident(d.datname) as subject,
    pg_catalog.cardinality(held.privileges) = 0 as ok,
    pg_catalog.format(
        E'-- Grant connect to the roles that need it before.\nrevoke %s on database %I from public;',
        pg_catalog.array_to_string(held.privileges, ', '), d.datname
    ) as remedy,
    held.privileges as public_may
from pg_catalog.pg_database as d
cross join lateral (
    select
        array(
            select pg_catalog.lower(a.privilege_type)
            from pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) as a
            where a.grantee = 0
            order by a.privilege_type
        ) as privileges
) as held
where d.datname = pg_catalog.current_database()
