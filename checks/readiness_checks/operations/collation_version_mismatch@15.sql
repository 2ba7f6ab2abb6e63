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
    coalesce(d.datcollversion = pg_catalog.pg_database_collation_actual_version(d.oid), true) as ok,
    pg_catalog.format(
        E'reindex database concurrently %1$I;\nalter database %1$I refresh collation version;', d.datname
    ) as remedy,
    d.datcollversion as sorted_by_version,
    pg_catalog.pg_database_collation_actual_version(d.oid) as version_now
from pg_catalog.pg_database as d
where d.datname = pg_catalog.current_database()
order by subject
