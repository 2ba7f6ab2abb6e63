/*---
title: Structured data is kept as jsonb
subject: column
universe: columns of json and jsonb
priority: P1
effort: M
credit: ratio
spares_bookkeeping: true
why: |
  json keeps the text as it came and parses it anew at each look. It has no equality, so that DISTINCT, GROUP BY and
  UNION fail on it, and no index can search inside. jsonb is parsed once, on the way in, can be compared, and a GIN
  index answers what it contains. json is right only where the very spelling has to be kept: order of keys, duplicates,
  white space.
mend: |
  Change the type. This rewrites the table under an exclusive lock: on a large one add a jsonb column, fill it in
  batches, and swap. Where the spelling matters (signed payloads), keep it as text and waive.
  A view, rule, policy or trigger that uses the column, of a partition or an inheriting table too, has to be dropped
  before and made again.
links:
  - https://www.postgresql.org/docs/current/datatype-json.html
---*/
-- Domains and arrays are looked through. Partitions: the root's columns stand for theirs.
with recursive held (type, base) as (
    select
        t.oid as type,
        t.oid as base
    from pg_catalog.pg_type as t
    where t.oid in ('pg_catalog.json'::pg_catalog.regtype, 'pg_catalog.jsonb'::pg_catalog.regtype)
    union all
    select
        t.oid,
        held.base
    from held
    inner join pg_catalog.pg_type as t
        on held.type = case when t.typtype = 'd' then t.typbasetype when t.typcategory = 'A' then t.typelem end
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
    held.base = 'pg_catalog.jsonb'::pg_catalog.regtype as ok,
    case
        when
            att.atttypid in ('pg_catalog.json'::pg_catalog.regtype, 'pg_catalog.json[]'::pg_catalog.regtype)
            and att.attgenerated = ''
            and att.attinhcount = 0
            and not pinned.yes
            then pg_catalog.format(
                E'-- Rewrites the table under an exclusive lock.\n'
                '-- The order of keys, duplicate keys and white space are lost.\n'
                'alter table %1$I.%2$I alter column %3$I type %4$s using %3$I::%4$s;',
                ns.nspname, c.relname, att.attname,
                pg_catalog.replace(pg_catalog.format_type(att.atttypid, null), 'json', 'jsonb')
            )
    end as remedy,
    pg_catalog.format_type(att.atttypid, att.atttypmod) as type
from pg_catalog.pg_attribute as att
inner join held on att.atttypid = held.type
inner join pg_catalog.pg_class as c on att.attrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join heirs on c.relhassubclass and c.oid = heirs.oid
cross join lateral (
    -- What forbids the change of a column's type: a view, rule, policy, trigger, routine, publication or generated
    -- column that uses it. Indexes and constraints are built anew, if they call no function that takes json alone.
    -- A change reaches partitions and inheriting tables.
    select
        exists (
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
                    or pg_catalog.strpos(
                        pg_catalog.concat(ix.indexprs::text, ix.indpred::text, con.conbin::text), '{FUNCEXPR '
                    ) > 0
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
