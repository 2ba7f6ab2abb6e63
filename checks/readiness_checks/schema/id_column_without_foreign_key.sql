/*---
title: Columns that name another table's row refer to it
subject: column
universe: columns named like the key of a table
priority: info
effort: M
credit: ratio
spares_bookkeeping: true
why: |
  user_id beside a table users, and no foreign key: rows of users may go and leave orphans that point nowhere, and no
  one will know. A guess by the names, so told and not counted: the column may hold another system's ids.
mend: |
  Look for orphans, decide what becomes of them, then add the key NOT VALID and validate it, which the remedy does, and
  index the column. A key without a delete rule refuses to delete what is referred to.
links:
  - https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK
---*/
-- <name>_id, where one table of the same schema is called <name>, <name>s, <name>es or, for a y, ...ies, and has a
-- primary key of one column of the column's own type.
with keyed as (
    select
        c.oid,
        c.relnamespace,
        c.relname,
        att.attname,
        att.atttypid
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_constraint as pk on c.oid = pk.conrelid and pk.contype = 'p'
    inner join pg_catalog.pg_attribute as att on c.oid = att.attrelid and pk.conkey[1] = att.attnum
    where pg_catalog.cardinality(pk.conkey) = 1 and not c.relispartition
),

named as (
    select
        k.oid,
        k.relnamespace,
        k.relname,
        k.attname,
        k.atttypid,
        stem.name
    from keyed as k
    cross join lateral (
        select k.relname::pg_catalog.text as name
        union
        select pg_catalog.regexp_replace(k.relname, 's$', '')
        union
        select pg_catalog.regexp_replace(k.relname, 'es$', '')
        union
        select pg_catalog.regexp_replace(k.relname, 'ies$', 'y')
    ) as stem
)

select
    pg_catalog.format('%I.%I.%I', ns.nspname, c.relname, att.attname) as subject,
    c.oid as objid,
    exists (
        select
        from pg_catalog.pg_constraint as fk
        where fk.conrelid = c.oid and fk.contype = 'f' and att.attnum = any (fk.conkey)
    ) as ok,
    pg_catalog.format(
        case
            when c.relkind = 'p'
                then
                    E'-- Reads the table under a lock.\n'
                    'alter table %1$I.%2$I add foreign key (%3$I) references %1$I.%4$I (%5$I);'
            else
                E'alter table %1$I.%2$I add constraint %6$I foreign key (%3$I) '
                'references %1$I.%4$I (%5$I) not valid;\n'
                'alter table %1$I.%2$I validate constraint %6$I;'
        end,
        ns.nspname,
        c.relname,
        att.attname,
        pg_catalog.min(named.relname::pg_catalog.text),
        pg_catalog.min(named.attname::pg_catalog.text),
        'readiness_fk_' || c.oid || '_' || att.attnum
    ) as remedy,
    pg_catalog.min(named.relname::pg_catalog.text) as like_key_of
from pg_catalog.pg_attribute as att
inner join pg_catalog.pg_class as c on att.attrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
inner join named
    on
        c.relnamespace = named.relnamespace
        and pg_catalog.left(att.attname::pg_catalog.text, -3) = named.name
        and att.atttypid = named.atttypid
        and c.oid <> named.oid
where
    c.relkind in ('r', 'p')
    and not c.relispartition
    and att.attnum > 0
    and not att.attisdropped
    and att.attname ~ '._id$'
group by c.oid, ns.nspname, c.relname, c.relkind, att.attname, att.attnum
having pg_catalog.count(distinct named.oid) = 1
order by subject
