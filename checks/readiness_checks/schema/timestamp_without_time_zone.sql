/*---
title: Every point in time is kept with its time zone
subject: column
universe: columns of timestamps
priority: P0
effort: M
credit: ratio
spares_bookkeeping: true
why: |
  A timestamp without time zone is what a clock on some wall showed; which wall is not stored. Two services in two zones
  write different instants for the same moment, and each autumn an hour comes twice. timestamptz takes the same eight
  bytes, stores the instant, and shows it in whatever zone the reader asks for.
mend: |
  Change the type, telling in which zone the times were written; change all columns of one table in one ALTER TABLE.
  Session zone UTC and no change of precision spare the rewriting of the table; its indexes on the column are built
  anew in any case, under an exclusive lock. Domains, arrays and ranges need a type or a column of their own. A time
  that is meant to be local, a shop's opening hour, wants a waiver.
  A view, rule, policy or trigger that uses the column, of a partition or an inheriting table too, has to be dropped
  before and made again.
links:
  - https://www.postgresql.org/docs/current/datatype-datetime.html
  - https://wiki.postgresql.org/wiki/Don%27t_Do_This#Don.27t_use_timestamp_.28without_time_zone.29
---*/
-- Domains, arrays and ranges of timestamps are looked through. Partitions: the root's columns stand for theirs.
with recursive held (type, base) as (
    select
        t.oid as type,
        t.oid as base
    from pg_catalog.pg_type as t
    where t.oid in ('pg_catalog.timestamp'::pg_catalog.regtype, 'pg_catalog.timestamptz'::pg_catalog.regtype)
    union all
    select
        container.oid,
        held.base
    from held
    inner join (
        select
            t.oid,
            case
                when t.typtype = 'd' then t.typbasetype
                when t.typtype = 'r' then r.rngsubtype
                when t.typcategory = 'A' then t.typelem
            end as content
        from pg_catalog.pg_type as t
        left join pg_catalog.pg_range as r on t.oid = r.rngtypid
    ) as container on held.type = container.content
),

below (oid, heir) as (
    select
        i.inhparent,
        i.inhrelid
    from pg_catalog.pg_inherits as i
    union
    select
        below.oid,
        i.inhrelid
    from below
    inner join pg_catalog.pg_inherits as i on below.heir = i.inhparent
),

heirs as materialized (
    select
        below.oid,
        pg_catalog.array_agg(below.heir) as tables
    from below
    group by below.oid
)

select
    pg_catalog.format('%I.%I.%I', ns.nspname, c.relname, att.attname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    held.base = 'pg_catalog.timestamptz'::pg_catalog.regtype as ok,
    case
        when
            att.atttypid = 'pg_catalog.timestamp'::pg_catalog.regtype
            and att.attgenerated = ''
            and att.attinhcount = 0
            and not pinned.yes
            then pg_catalog.format(
                E'-- Takes the stored times for UTC: name the zone in which they were written.\n'
                'begin;\n'
                'set local timezone = ''UTC'';\n'
                'alter table %I.%I alter column %I type %s;\n'
                'commit;',
                ns.nspname, c.relname, att.attname,
                pg_catalog.replace(pg_catalog.format_type(att.atttypid, att.atttypmod), 'without', 'with')
            )
    end as remedy,
    pg_catalog.format_type(att.atttypid, att.atttypmod) as type
from pg_catalog.pg_attribute as att
inner join held on att.atttypid = held.type
inner join pg_catalog.pg_class as c on att.attrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join heirs on c.relhassubclass and c.oid = heirs.oid
cross join lateral (
    -- What forbids the change of a column's type: a partition key, and a view, rule, policy, trigger, routine,
    -- publication or generated column that uses the column. Indexes and constraints are built anew, where what they
    -- compute is computed of a timestamptz too, and as immutably as an index wants; a foreign key's sides would differ.
    -- A change reaches partitions and inheriting tables.
    select
        exists (
            select
            from pg_catalog.pg_partitioned_table as pt
            where pt.partrelid = att.attrelid and att.attnum = any (pt.partattrs::pg_catalog.int2[])
        )
        or exists (
            select
            from pg_catalog.pg_attribute as own
            inner join pg_catalog.pg_depend as d on own.attrelid = d.refobjid and own.attnum = d.refobjsubid
            left join pg_catalog.pg_attrdef as def
                on d.objid = def.oid and d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
            left join pg_catalog.pg_index as ix
                on d.objid = ix.indexrelid and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            left join pg_catalog.pg_constraint as con
                on d.objid = con.oid and d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
            where
                d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                and own.attname = att.attname
                and (own.attrelid = att.attrelid or (c.relhassubclass and own.attrelid = any (heirs.tables)))
                and (
                    d.classid not in (
                        'pg_catalog.pg_class'::pg_catalog.regclass,
                        'pg_catalog.pg_constraint'::pg_catalog.regclass,
                        'pg_catalog.pg_statistic_ext'::pg_catalog.regclass
                    )
                    -- before 15 a generated column stands there itself, after that its expression
                    or (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objsubid > 0)
                    or pg_catalog.strpos(pg_catalog.concat(ix.indexprs::text, ix.indpred::text), 'EXPR ') > 0
                    or pg_catalog.strpos(con.conbin::text, '{FUNCEXPR ') > 0
                    or con.contype = 'f'
                )
                and def.adnum is distinct from own.attnum
        ) as yes
) as pinned
where
    c.relkind in ('r', 'p')
    and not c.relispartition
    and att.attnum > 0
    and att.atttypid <> 0 -- a dropped column has no type
    and att.atttypid = any (array(select h.type from held as h)) -- told by the column alone, before any join
order by subject
