/*---
title: Rights are handed on by owners alone
subject: table
universe: tables
priority: info
effort: S
credit: ratio
why: |
  Who holds a right WITH GRANT OPTION can hand it on, and those can too. What was granted that way stands in no
  migration, and a revoke then fails, or takes more away than was meant.
mend: |
  revoke grant option for ... on ... from ... cascade; after a look at who got it from there.
links:
  - https://www.postgresql.org/docs/current/sql-revoke.html
---*/
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    handed.holders is null as ok,
    handed.statements as remedy,
    handed.holders
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
cross join lateral (
    select
        pg_catalog.array_agg(distinct pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text) as holders,
        pg_catalog.string_agg(
            distinct pg_catalog.format(
                E'-- Takes with it what they granted to others.\nrevoke grant option for all on %I.%I from %I cascade;',
                ns.nspname, c.relname, pg_catalog.pg_get_userbyid(a.grantee)
            ),
            E'\n'
        ) as statements
    from pg_catalog.aclexplode(c.relacl) as a
    where a.is_grantable and a.grantee <> c.relowner
) as handed
where c.relkind in ('r', 'p', 'v', 'm', 'f')
order by subject
