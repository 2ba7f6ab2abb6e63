/*---
title: Tables with a tenant's column have row level security
subject: table
universe: tables with a tenant's column
priority: info
effort: M
credit: ratio
why: |
  A column called tenant_id says that the rows belong to somebody. Without row level security each query has to say
  whose it wants, and the one that forgets shows everybody's. A hint only: which tables those are is declared in the
  profile (row_security), and judged by security/row-security-missing.
mend: |
  Declare the table under row_security in the profile, write its policies, enable and force row level security.
links:
  - https://www.postgresql.org/docs/current/ddl-rowsecurity.html
---*/
-- Partitions go by their root. The names are the policy's: tenant_columns.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    c.relrowsecurity as ok,
    pg_catalog.array_agg(att.attname::pg_catalog.text order by att.attname) as columns
from pg_catalog.pg_attribute as att
inner join pg_catalog.pg_class as c on att.attrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    c.relkind in ('r', 'p')
    and not c.relispartition
    and att.attnum > 0
    and not att.attisdropped
    and att.attname::pg_catalog.text = any (
        -- asked once, not for each column
        array(
            select pg_catalog.regexp_split_to_table(
                coalesce(
                    nullif(pg_catalog.current_setting('readiness.tenant_columns', true), ''),
                    'tenant_id, tenant, org_id, organization_id, organisation_id, account_id, workspace_id, company_id'
                ),
                '\s*,\s*'
            )
        )
    )
group by c.oid, c.relname, c.relrowsecurity, ns.oid, ns.nspname
order by subject
