/*---
title: Not everybody may create objects in a schema
subject: schema
universe: schemas
priority: P1
effort: S
credit: ratio
why: |
  Who may create in a schema that is on others' search_path can put a function or a table where they look for theirs,
  and it runs with their rights. Up to PostgreSQL 14 every database gave this to PUBLIC in the schema public, and an
  upgrade or a restored dump keeps it.
mend: |
  revoke create on schema ... from public; and grant it to the role that runs the migrations.
links:
  - https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PATTERNS
---*/
select
    pg_catalog.quote_ident(ns.nspname) as subject,
    ns.oid as objid,
    not pg_catalog.has_schema_privilege(0::pg_catalog.oid, ns.oid, 'create') as ok,
    pg_catalog.format(
        E'-- Grant it to the role that runs the migrations before.\nrevoke create on schema %I from public;', ns.nspname
    ) as remedy,
    pg_catalog.pg_get_userbyid(ns.nspowner) as owner
from pg_catalog.pg_namespace as ns
order by subject
