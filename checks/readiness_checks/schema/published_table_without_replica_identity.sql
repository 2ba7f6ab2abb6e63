/*---
title: Every published table can be told by row
subject: table
universe: tables in publications
priority: P1
effort: S
credit: ratio
why: |
  Logical replication sends updates and deletes by the replica identity: the primary key, unless another is said. A
  table in a publication without one refuses every update and delete, on the publisher, from the moment it is published.
mend: |
  Give it a primary key. Where a unique index over NOT NULL columns is there: alter table ... replica identity using
  index ...; REPLICA IDENTITY FULL works too, and makes the subscriber look each row up by all of its columns.
links:
  - https://www.postgresql.org/docs/current/logical-replication-publication.html
---*/
-- Publications that send inserts and truncates alone need no identity. Partitions count by themselves: their own
-- identity is what is used.
with published as (
    select
        pr.prrelid as relid,
        pr.prpubid as pubid
    from pg_catalog.pg_publication_rel as pr
    union
    select
        c.oid as relid,
        p.oid as pubid
    from pg_catalog.pg_publication as p
    cross join pg_catalog.pg_class as c
    where p.puballtables and c.relkind = 'r' and c.relpersistence = 'p' and c.oid >= 16384
),

sent as (
    select
        pub.relid,
        pg_catalog.array_agg(distinct p.pubname::pg_catalog.text) as publications
    from published as pub
    inner join pg_catalog.pg_publication as p on pub.pubid = p.oid
    where p.pubupdate or p.pubdelete
    group by pub.relid
)

select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    case c.relreplident
        when 'f' then true
        when 'n' then false
        when 'i' then exists (
            select from pg_catalog.pg_index as ix where ix.indrelid = c.oid and ix.indisreplident and ix.indisvalid
        )
        else exists (
            select
            from pg_catalog.pg_constraint as pk
            where pk.conrelid = c.oid and pk.contype = 'p' and not pk.condeferrable
        )
    end as ok,
    case c.relreplident
        when 'f' then 'full' when 'n' then 'nothing' when 'i' then 'index' else 'default'
    end as identity,
    sent.publications
from sent
inner join pg_catalog.pg_class as c on sent.relid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where c.relkind = 'r'
order by subject
