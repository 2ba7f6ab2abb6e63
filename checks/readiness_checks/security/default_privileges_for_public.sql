/*---
title: What is created tomorrow is not open to everybody
subject: rule
universe: default privileges
priority: P2
effort: S
credit: ratio
why: |
  ALTER DEFAULT PRIVILEGES ... GRANT ... TO PUBLIC opens each table and sequence at the moment it is created, with
  nothing in its own migration that says so. The next table with secrets is open before anybody thinks of it.
mend: |
  alter default privileges ... revoke ... from public; and grant to the roles that need it.
links:
  - https://www.postgresql.org/docs/current/sql-alterdefaultprivileges.html
---*/
-- Functions and types are PUBLIC's by Postgres' own default, which such an entry repeats; those aren't held against it.
select
    pg_catalog.format(
        '%s by %I%s', kind.words, pg_catalog.pg_get_userbyid(d.defaclrole),
        coalesce(' in ' || pg_catalog.quote_ident(ns.nspname), '')
    ) as subject,
    opened.privileges is null as ok,
    pg_catalog.format(
        'alter default privileges for role %I%s revoke %s on %s from public;',
        pg_catalog.pg_get_userbyid(d.defaclrole),
        coalesce(' in schema ' || pg_catalog.quote_ident(ns.nspname), ''),
        pg_catalog.array_to_string(opened.privileges, ', '), kind.words
    ) as remedy,
    opened.privileges
from pg_catalog.pg_default_acl as d
left join pg_catalog.pg_namespace as ns on d.defaclnamespace = ns.oid
cross join lateral (
    select
        case d.defaclobjtype
            when 'r' then 'tables'
            when 'S' then 'sequences'
            when 'f' then 'functions'
            when 'T' then 'types'
            when 'n' then 'schemas'
            when 'L' then 'large objects' -- since 18
            else 'other objects'
        end as words
) as kind
cross join lateral (
    select pg_catalog.array_agg(pg_catalog.lower(a.privilege_type) order by a.privilege_type) as privileges
    from pg_catalog.aclexplode(d.defaclacl) as a
    where a.grantee = 0 and d.defaclobjtype in ('r', 'S', 'n', 'L')
) as opened
order by subject
