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
with alike as materialized (
    -- Only where a table refers to another more than once is there anything to compare.
    select
        fk.conrelid,
        fk.confrelid
    from pg_catalog.pg_constraint as fk
    where fk.contype = 'f'
    group by fk.conrelid, fk.confrelid
    having pg_catalog.count(*) > 1
),

mapping as (
    select
        fk.oid,
        fk.conrelid,
        fk.confrelid,
        pg_catalog.array_agg(pg_catalog.format('%s>%s', k.attnum, fk.confkey[k.place]) order by k.attnum) as pairs
    from pg_catalog.pg_constraint as fk
    inner join alike on fk.conrelid = alike.conrelid and fk.confrelid = alike.confrelid
    cross join lateral pg_catalog.unnest(fk.conkey) with ordinality as k (attnum, place)
    where fk.contype = 'f'
    group by fk.oid, fk.conrelid, fk.confrelid
),

twin as (
    select
        m.oid,
        pg_catalog.count(*) over same_mapping as keys,
        -- what two keys must have in common besides, that either may go
        pg_catalog.count(*) over same_effect as keys_alike,
        -- the one to keep: inherited before own, validated before not, the older before the newer
        pg_catalog.row_number() over (
            same_effect order by fk.conparentid = 0 asc, fk.convalidated desc, fk.oid asc
        ) as place,
        pg_catalog.array_agg(fk.conname::pg_catalog.text) over (
            same_mapping order by fk.conname rows between unbounded preceding and unbounded following
        ) as names
    from mapping as m
    inner join pg_catalog.pg_constraint as fk on m.oid = fk.oid
    window
        same_mapping as (partition by m.conrelid, m.confrelid, m.pairs),
        same_effect as (
            partition by
                m.conrelid, m.confrelid, m.pairs,
                fk.confupdtype, fk.confdeltype, fk.confmatchtype, fk.condeferrable, fk.condeferred
        )
)

select
    pg_catalog.format('%I.%I:%I', ns.nspname, c.relname, fk.conname) as subject,
    fk.conrelid as objid,
    ns.oid as schemaid,
    twin.oid is null or twin.keys = 1 as ok,
    case
        when twin.place > 1
            then pg_catalog.format(
                E'-- Another foreign key, of the same effect, stays.\nalter table %I.%I drop constraint %I;',
                ns.nspname, c.relname, fk.conname
            )
    end as remedy,
    coalesce(pg_catalog.array_remove(twin.names, fk.conname::pg_catalog.text), '{}') as twins,
    twin.oid is null or twin.keys = twin.keys_alike as same_actions,
    case when twin.keys > 1 then pg_catalog.format('%I.%I', parent_ns.nspname, parent.relname) end as refers_to
from pg_catalog.pg_constraint as fk
left join twin on fk.oid = twin.oid
inner join pg_catalog.pg_class as c on fk.conrelid = c.oid and c.relkind in ('r', 'p') -- few beside the indexes
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
inner join pg_catalog.pg_class as parent on fk.confrelid = parent.oid and parent.relkind in ('r', 'p')
inner join pg_catalog.pg_namespace as parent_ns on parent.relnamespace = parent_ns.oid
where fk.contype = 'f' and fk.conparentid = 0
order by subject
