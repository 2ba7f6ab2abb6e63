/*---
title: Column names need no quotes
subject: column
universe: columns
priority: info
effort: M
credit: ratio
spares_bookkeeping: true
why: |
  Unquoted names are folded to lower case: "userId" must be quoted in every query, by every tool, for ever, and a name
  with a space or one that is a reserved word breaks each script that forgets.
mend: |
  alter table ... rename column ... to ...; takes a moment; code that uses the name has to change with it. A view with
  the old names may carry old code over.
links:
  - https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
---*/
-- Capitals, spaces and the like, or a reserved word. quote_ident() quotes these, and more: what it quotes is looked at.
with reserved as materialized (
    select k.word from pg_catalog.pg_get_keywords() as k where k.catcode = 'R'
)

select
    pg_catalog.format('%I.%I.%I', ns.nspname, c.relname, att.attname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    pg_catalog.quote_ident(att.attname) = att.attname::pg_catalog.text
    or (
        att.attname ~ '^[a-z_][a-z0-9_$]*$'
        and att.attname::pg_catalog.text not in (select reserved.word from reserved)
    ) as ok
from pg_catalog.pg_attribute as att
inner join pg_catalog.pg_class as c on att.attrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    c.relkind in ('r', 'p')
    and not c.relispartition
    and att.attnum > 0
    and att.atttypid <> 0 -- a dropped column has no type
order by subject
