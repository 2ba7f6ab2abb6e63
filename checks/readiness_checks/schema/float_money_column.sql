/*---
title: No amount of money is a floating-point number
subject: column
universe: columns of floating-point numbers
priority: info
effort: M
credit: ratio
spares_bookkeeping: true
why: |
  A float can't hold 0.10 exactly; sums drift, and two ways of adding up the same invoice differ by a cent. Money wants
  numeric, or whole cents in bigint. Whether a column holds money is guessed from its name here (price, amount, cost,
  fee, total and their like), so this is told and weighs nothing.
mend: |
  Where it is money: change the type to numeric with the decimals that the currency has. This rewrites the table under
  an exclusive lock, and fixes the values at what they are rounded to.
links:
  - https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-FLOAT
---*/
-- Domains are looked through; an array of floats is rather a vector than a price. Partitions: the root's columns stand
-- for theirs.
with recursive held (type) as (
    select t.oid
    from pg_catalog.pg_type as t
    where t.oid in ('pg_catalog.float4'::pg_catalog.regtype, 'pg_catalog.float8'::pg_catalog.regtype)
    union all
    select d.oid
    from held
    inner join pg_catalog.pg_type as d on held.type = d.typbasetype and d.typtype = 'd'
)

select
    pg_catalog.format('%I.%I.%I', ns.nspname, c.relname, att.attname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    -- whole words: unit_price, unitPrice, "Unit Price"; not a costume, not a score_total_ratio
    pg_catalog.lower(
        pg_catalog.regexp_replace(att.attname::pg_catalog.text, '([a-z0-9])([A-Z])', '\1_\2', 'g')
    ) !~ (
        '(^|[^a-z])(price|amount|cost|fee|salary|wage|payment|revenue|money)s?($|[^a-z])'
        '|(^|[^a-z])(sub)?total$'
    ) as ok,
    pg_catalog.format_type(att.atttypid, att.atttypmod) as type
from pg_catalog.pg_attribute as att
inner join held on att.atttypid = held.type
inner join pg_catalog.pg_class as c on att.attrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    c.relkind in ('r', 'p')
    and not c.relispartition
    and att.attnum > 0
    and att.atttypid <> 0 -- a dropped column has no type
    and att.atttypid = any (array(select h.type from held as h)) -- told by the column alone, before any join
order by subject
