/*---
title: Keys of large tables grow in order
subject: table
universe: tables with a generated uuid key
priority: info
effort: M
credit: ratio
spares_bookkeeping: true
why: |
  A random UUID (version 4) lands anywhere in the index: on a table larger than memory each insert reads and dirties
  another page, and the write-ahead log carries full pages of them. Version 7 begins with the time and appends.
mend: |
  Take uuidv7() (PostgreSQL 18) or a function of yours as the default of new rows: alter table ... alter column ... set
  default uuidv7(); old rows stay as they are. Such keys tell when a row was made.
links:
  - https://www.postgresql.org/docs/current/functions-uuid.html
---*/
-- Large: more than readiness.rows rows by the planner's estimate. gen_random_uuid() is function 3432 on every version;
-- uuid_generate_v4() comes with an extension and is found by its name.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    not (
        c.reltuples > coalesce(
            nullif(pg_catalog.current_setting('readiness.rows', true), ''), '100000'
        )::pg_catalog.float8
        and exists (
            select
            from pg_catalog.pg_proc as f
            where
                (f.oid = 3432 or f.proname = 'uuid_generate_v4')
                and pg_catalog.strpos(def.adbin::pg_catalog.text, ':funcid ' || f.oid || ' ') > 0
        )
    ) as ok,
    att.attname as key_column,
    nullif(c.reltuples::pg_catalog.int8, -1) as estimated_rows
from pg_catalog.pg_constraint as pk
inner join pg_catalog.pg_class as c on pk.conrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
inner join pg_catalog.pg_attribute as att on pk.conrelid = att.attrelid and pk.conkey[1] = att.attnum
inner join pg_catalog.pg_attrdef as def on att.attrelid = def.adrelid and att.attnum = def.adnum
where
    pk.contype = 'p'
    and pg_catalog.cardinality(pk.conkey) = 1
    and att.atttypid = 'pg_catalog.uuid'::pg_catalog.regtype
    and not c.relispartition
order by subject
