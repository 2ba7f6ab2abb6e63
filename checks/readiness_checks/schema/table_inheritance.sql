/*---
title: No table inherits from another
subject: table
universe: tables
priority: P2
effort: L
credit: ratio
spares_bookkeeping: true
why: |
  INHERITS looks like subclasses and isn't: primary keys, unique constraints and foreign keys hold for each table alone,
  so one id may stand in parent and child, and no foreign key can refer to both. Every query on the parent reads the
  children too, unless somebody thought of ONLY. For splitting up a large table, declarative partitioning replaced it.
mend: |
  Partitions made by inheritance: build a partitioned table and attach the children to it. Subclasses: a table of their
  own that refers to the common one by a foreign key. alter table ... no inherit ...; cuts the tie, after which the
  parent's queries don't see the child's rows any more.
links:
  - https://www.postgresql.org/docs/current/ddl-inherit.html#DDL-INHERIT-CAVEATS
  - https://www.postgresql.org/docs/current/ddl-partitioning.html
---*/
-- Partitions stand in pg_inherits too; they are no subject of this. A child of several parents is one subject.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    parents.list is null as ok,
    parents.list as inherits_from
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join (
    select
        i.inhrelid,
        pg_catalog.array_agg(pg_catalog.format('%I.%I', parent_ns.nspname, parent.relname) order by i.inhseqno) as list
    from pg_catalog.pg_inherits as i
    inner join pg_catalog.pg_class as parent on i.inhparent = parent.oid
    inner join pg_catalog.pg_namespace as parent_ns on parent.relnamespace = parent_ns.oid
    group by i.inhrelid
) as parents on c.oid = parents.inhrelid
where
    c.relkind in ('r', 'p')
    and c.relpersistence <> 't'
    and not c.relispartition
order by subject
