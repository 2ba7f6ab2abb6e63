/*---
title: Indexes are sorted by the collation that the system has now
subject: database
universe: collations that indexes are sorted by
priority: P0
effort: M
credit: binary
why: |
  Text in an index is sorted by the operating system's rules, or ICU's. An upgrade of either (a new image, a standby on
  another distribution) changes these rules under the index: rows are no longer found, unique indexes admit doubles, and
  nothing says so. Postgres remembers the version that it sorted by.
mend: |
  Reindex what is sorted by text, then tell Postgres that it was done. REINDEX finds doubles that slipped into a unique
  index meanwhile; remove those rows first.
links:
  - https://www.postgresql.org/docs/current/sql-altercollation.html
---*/
-- Collations that some index's key is sorted by. Without a version (C, POSIX) a collation does not change.
-- Before 15 the database's own collation has no version: what it is sorted by can't be told then.
with used as (
    select distinct key.coll as oid
    from pg_catalog.pg_index as ix
    cross join lateral pg_catalog.unnest(
        pg_catalog.string_to_array(ix.indcollation::pg_catalog.text, ' ')::pg_catalog.oid []
    ) as key (coll)
)

select
    'collation ' || pg_catalog.format('%I.%I', ns.nspname, co.collname) as subject,
    coalesce(co.collversion = pg_catalog.pg_collation_actual_version(co.oid), true) as ok,
    null::pg_catalog.text as unseen,
    pg_catalog.format(
        E'reindex database concurrently %I;\nalter collation %I.%I refresh version;',
        pg_catalog.current_database(), ns.nspname, co.collname
    ) as remedy,
    co.collversion as sorted_by_version,
    pg_catalog.pg_collation_actual_version(co.oid) as version_now
from used
inner join pg_catalog.pg_collation as co on used.oid = co.oid and co.collprovider <> 'd'
inner join pg_catalog.pg_namespace as ns on co.collnamespace = ns.oid
union all
select
    pg_catalog.quote_ident(d.datname) as subject,
    case when d.datcollate in ('C', 'POSIX') then true end as ok,
    'unsupported' as unseen,
    null as remedy,
    null as sorted_by_version,
    null as version_now
from pg_catalog.pg_database as d
where d.datname = pg_catalog.current_database()
order by subject
