/*---
title: A composite foreign key refers with all of its columns or with none
subject: constraint
universe: composite foreign keys
priority: P1
effort: S
credit: ratio
why: |
  By default (MATCH SIMPLE) a foreign key with one column null is not checked at all: the other columns may then hold
  what they like. An order of tenant 7 for customer null is an orphan that the database promised not to let in.
mend: |
  Make the columns NOT NULL; or where the reference is optional, let a CHECK say that all are null or none is, which the
  remedy does. Rows that break it must be mended before it is validated.
links:
  - https://www.postgresql.org/docs/current/sql-createtable.html#SQL-CREATETABLE-PARMS-REFERENCES
---*/
-- Safe: MATCH FULL; one nullable column at most, beside NOT NULL ones (a tenant's, say): null there means that the row
-- refers to nothing; or a CHECK with num_nulls()/num_nonnulls() or IS NULL tests on these columns
-- and no others. The condition is read as the parser stores it, since pg_get_constraintdef() would wait behind DDL.
select
    pg_catalog.format('%I.%I:%I', ns.nspname, c.relname, fk.conname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    fk.confmatchtype <> 's'
    or coalesce(pg_catalog.cardinality(nullable.attnums), 0) < 2
    or exists (
        select
        from pg_catalog.pg_constraint as con
        where
            con.conrelid = fk.conrelid
            and con.contype = 'c'
            and con.conkey operator(pg_catalog.@>) nullable.attnums
            and con.conkey operator(pg_catalog.<@) fk.conkey
            and con.conbin::pg_catalog.text ~ (':nulltesttype |:funcid (438|440) ')
    ) as ok,
    pg_catalog.format(
        E'alter table %1$I.%2$I add constraint %3$I check (pg_catalog.num_nulls(%4$s) in (0, %5$s)) not valid;\n'
        'alter table %1$I.%2$I validate constraint %3$I;',
        ns.nspname,
        c.relname,
        'readiness_all_or_none_' || fk.oid,
        nullable.columns,
        pg_catalog.cardinality(nullable.attnums)
    ) as remedy,
    nullable.columns as nullable_columns
from pg_catalog.pg_constraint as fk
inner join pg_catalog.pg_class as c on fk.conrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
cross join lateral (
    select
        pg_catalog.string_agg(pg_catalog.quote_ident(att.attname), ', ' order by att.attnum) as columns,
        pg_catalog.array_agg(att.attnum order by att.attnum) as attnums
    from pg_catalog.pg_attribute as att
    where att.attrelid = fk.conrelid and att.attnum = any (fk.conkey) and not att.attnotnull
) as nullable
where
    fk.contype = 'f'
    and fk.conparentid = 0
    and pg_catalog.cardinality(fk.conkey) > 1
order by subject
