/*---
title: No two labels of an enum can be taken for each other
subject: type
universe: enum types
priority: info
effort: M
credit: ratio
why: |
  Labels that differ by capitals, spaces, hyphens or underscores alone ("in_progress", "In Progress") are one word to
  people and two to the database: each writer uses its own, and every query finds half.
mend: |
  Choose one, update the rows to it, and rename the other out of use: alter type ... rename value ... to ...; a label
  can't be dropped, but for making the type anew.
links:
  - https://www.postgresql.org/docs/current/datatype-enum.html
---*/
select
    pg_catalog.format('%I.%I', ns.nspname, t.typname) as subject,
    t.oid as objid,
    ns.oid as schemaid,
    twice.labels is null as ok,
    twice.labels as confusable_labels
from pg_catalog.pg_type as t
inner join pg_catalog.pg_namespace as ns on t.typnamespace = ns.oid
-- looked up for each type: a join may be a loop in a loop
cross join lateral (
    select pg_catalog.string_agg(pg_catalog.array_to_string(word.labels, ' / '), ', ' order by word.labels) as labels
    from (
        select pg_catalog.array_agg(e.enumlabel::pg_catalog.text order by e.enumsortorder) as labels
        from pg_catalog.pg_enum as e
        where e.enumtypid = t.oid
        group by pg_catalog.lower(pg_catalog.regexp_replace(e.enumlabel, '[\s_-]', '', 'g'))
    ) as word
    where pg_catalog.cardinality(word.labels) > 1
) as twice
where t.typtype = 'e'
order by subject
