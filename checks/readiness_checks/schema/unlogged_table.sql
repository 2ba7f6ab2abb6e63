/*---
title: Every table survives a crash
subject: table
universe: tables
priority: P1
effort: S
credit: ratio
spares_bookkeeping: true
why: |
  An UNLOGGED table is not in the write-ahead log. After a crash Postgres empties it, without a word in any query's
  answer; replicas have it empty always, so a failover loses it as well; and no base backup or point-in-time recovery
  brings its rows back. That is right for a cache that can be filled again, and a trap for anything else.
mend: |
  Set it LOGGED: this writes the whole table to the log under an exclusive lock, so choose a quiet hour. A table that
  may be lost wants a waiver which says so.
links:
  - https://www.postgresql.org/docs/current/sql-createtable.html#SQL-CREATETABLE-UNLOGGED
---*/
-- Partitions are subjects of their own: the rows are theirs. A partitioned root has none to lose, whatever it says.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    c.relpersistence <> 'u' as ok,
    -- A logged table can't refer to an unlogged one: that one comes first.
    case
        when
            c.relpersistence = 'u'
            and not exists (
                select
                from pg_catalog.pg_constraint as fk
                inner join pg_catalog.pg_class as referred on fk.confrelid = referred.oid
                where
                    fk.conrelid = c.oid
                    and fk.contype = 'f'
                    and fk.confrelid <> fk.conrelid
                    and referred.relpersistence = 'u'
            )
            then pg_catalog.format(
                E'-- Writes the whole table to the log, under an exclusive lock.\nalter table %I.%I set logged;',
                ns.nspname, c.relname
            )
    end as remedy,
    nullif(c.reltuples::pg_catalog.int8, -1) as estimated_rows
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    c.relkind = 'r'
    and c.relpersistence <> 't'
order by subject
