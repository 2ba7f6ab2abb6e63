/*---
title: No foreign key says what another one says already
subject: constraint
universe: foreign keys
priority: P2
effort: S
credit: ratio
why: |
  Two foreign keys that tie the same columns to the same columns do the same work twice: every insert is checked twice,
  and every delete in the parent looks twice. When their ON DELETE actions differ, which one wins is decided by the
  triggers' names, which nobody meant. Such twins come from two migrations, or from an object mapper beside a script.
mend: |
  Keep one and drop the other; where their actions or deferrability differ, decide which is meant first.
links:
  - https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK
---*/
-- Partitions: a key that a partition inherited is its parent's subject, and the double of one that the partition has
-- beside it. The order of the columns does not matter: what counts is which column refers to which.
-- Counted side by side, and never joined with themselves: a join may be a loop in a loop.
with keyed as (
    select
        fk.oid,
        fk.conname,
        fk.conrelid,
        fk.confrelid,
        fk.conkey,
        fk.confkey,
        fk.conparentid,
        fk.convalidated,
        fk.confupdtype,
        fk.confdeltype,
        fk.confmatchtype,
        fk.condeferrable,
        fk.condeferred,
        pg_catalog.count(*) over (partition by fk.conrelid, fk.confrelid) as between_the_tables
    from pg_catalog.pg_constraint as fk
    where fk.contype = 'f'
),

twin as (
    select
        k.conname,
        k.conrelid,
        k.confrelid,
        k.conparentid,
        pg_catalog.count(*) over same_mapping as keys,
        -- what two keys must have in common besides, that either may go
        pg_catalog.count(*) over same_effect as keys_alike,
        -- the one to keep: inherited before own, validated before not, the older before the newer
        pg_catalog.row_number() over (
            same_effect order by k.conparentid = 0 asc, k.convalidated desc, k.oid asc
        ) as place,
        pg_catalog.array_agg(k.conname::pg_catalog.text) over (
            same_mapping order by k.conname rows between unbounded preceding and unbounded following
        ) as names
    from keyed as k
    cross join lateral (
        select pg_catalog.array_agg(pg_catalog.format('%s>%s', c.attnum, k.confkey[c.place]) order by c.attnum) as pairs
        from pg_catalog.unnest(k.conkey) with ordinality as c (attnum, place)
    ) as mapping
    where k.between_the_tables > 1
    window
        same_mapping as (partition by k.conrelid, k.confrelid, mapping.pairs),
        same_effect as (
            partition by
                k.conrelid, k.confrelid, mapping.pairs,
                k.confupdtype, k.confdeltype, k.confmatchtype, k.condeferrable, k.condeferred
        )
    union all
    select
        k.conname,
        k.conrelid,
        k.confrelid,
        k.conparentid,
        1 as keys,
        1 as keys_alike,
        1 as place,
        '{}' as names
    from keyed as k
    where k.between_the_tables = 1
)

select
    pg_catalog.format('%I.%I:%I', ns.nspname, c.relname, twin.conname) as subject,
    twin.conrelid as objid,
    ns.oid as schemaid,
    twin.keys = 1 as ok,
    case
        when twin.place > 1
            then pg_catalog.format(
                E'-- Another foreign key, of the same effect, stays.\nalter table %I.%I drop constraint %I;',
                ns.nspname, c.relname, twin.conname
            )
    end as remedy,
    pg_catalog.array_remove(twin.names, twin.conname::pg_catalog.text) as twins,
    twin.keys = twin.keys_alike as same_actions,
    case when twin.keys > 1 then pg_catalog.format('%I.%I', parent_ns.nspname, parent.relname) end as refers_to
from twin
inner join pg_catalog.pg_class as c on twin.conrelid = c.oid and c.relkind in ('r', 'p') -- few beside the indexes
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
inner join pg_catalog.pg_class as parent on twin.confrelid = parent.oid and parent.relkind in ('r', 'p')
inner join pg_catalog.pg_namespace as parent_ns on parent.relnamespace = parent_ns.oid
where twin.conparentid = 0
order by subject
