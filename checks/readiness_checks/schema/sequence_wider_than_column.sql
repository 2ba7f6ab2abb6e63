/*---
title: No sequence counts past what its column can hold
subject: sequence
universe: sequences that feed an integer column
priority: P1
effort: S
credit: ratio
why: |
  A bigint sequence in front of an integer column looks endless to whoever watches the sequence; the insert that fails
  with "integer out of range" comes from the column. Monitoring that compares the last number with the sequence's
  maximum shows nought percent on that day. Old dumps make such pairs, and so does a column that was created as
  integer with a sequence made by hand.
mend: |
  Better widen the column to bigint (a rewrite: see schema/narrow-auto-increment-key). Bounding the sequence at what the
  column holds takes a moment, and makes its use measurable; where the sequence is past that already, only widening
  helps.
links:
  - https://www.postgresql.org/docs/current/sql-altersequence.html
---*/
-- A sequence can produce what lies on its way: up to its maximum when it ascends, down to its minimum when it descends,
-- both when it cycles. Partitions share their root's sequence; domains go by the type below them.
with recursive integers (type, low, high) as (
    select
        t.oid,
        case t.typlen when 2 then -32768 when 4 then -2147483648 else -9223372036854775808 end::pg_catalog.int8,
        case t.typlen when 2 then 32767 when 4 then 2147483647 else 9223372036854775807 end::pg_catalog.int8
    from pg_catalog.pg_type as t
    where
        t.oid in (
            'pg_catalog.int2'::pg_catalog.regtype,
            'pg_catalog.int4'::pg_catalog.regtype,
            'pg_catalog.int8'::pg_catalog.regtype
        )
    union all
    select
        d.oid,
        integers.low,
        integers.high
    from integers
    inner join pg_catalog.pg_type as d on integers.type = d.typbasetype and d.typtype = 'd'
),

-- The columns that take a sequence's numbers: the one that owns it (serial, identity), and those whose default is
-- nextval() of it and nothing else but casts. An operator in the default computes: the number proves nothing then.
called as materialized (
    select
        d.refobjid as seq,
        d.objid as attrdef
    from pg_catalog.pg_sequence as s
    inner join pg_catalog.pg_depend as d on s.seqrelid = d.refobjid
    where
        d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
),

taker (seq, relid, attnum) as (
    select
        d.objid,
        d.refobjid,
        d.refobjsubid
    from pg_catalog.pg_sequence as s
    inner join pg_catalog.pg_depend as d on s.seqrelid = d.objid
    where
        d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.deptype in ('a', 'i')
    union
    select
        called.seq,
        def.adrelid,
        def.adnum
    from called
    inner join pg_catalog.pg_attrdef as def on called.attrdef = def.oid
    where pg_catalog.strpos(def.adbin::pg_catalog.text, '{OPEXPR') = 0
),

-- Fences: looked up by their indexes, of which one has two columns; and kept, so that what is joined comes behind them.
taken as materialized (
    select
        taker.seq,
        att.attname,
        att.atttypid,
        c.relname,
        c.relnamespace
    from taker
    cross join lateral (
        select
            a.attname,
            a.atttypid
        from pg_catalog.pg_attribute as a
        where taker.relid = a.attrelid and taker.attnum = a.attnum
        offset 0 -- noqa: AM09
    ) as att
    cross join lateral (
        select
            r.relname,
            r.relnamespace
        from pg_catalog.pg_class as r
        where taker.relid = r.oid
        offset 0 -- noqa: AM09
    ) as c
),

column_bound as (
    select
        t.seq,
        pg_catalog.max(integers.low) as low,
        pg_catalog.min(integers.high) as high,
        pg_catalog.array_agg(
            pg_catalog.format('%I.%I.%I %s', ns.nspname, t.relname, t.attname, pg_catalog.format_type(t.atttypid, null))
            order by ns.nspname, t.relname, t.attname
        ) as columns
    from taken as t
    inner join integers on t.atttypid = integers.type
    inner join pg_catalog.pg_namespace as ns on t.relnamespace = ns.oid
    group by t.seq
),

judged as (
    select
        bound.*,
        (s.seqincrement > 0 or s.seqcycle) and s.seqmax > bound.high as too_high,
        (s.seqincrement < 0 or s.seqcycle) and s.seqmin < bound.low as too_low
    from pg_catalog.pg_sequence as s
    inner join column_bound as bound on s.seqrelid = bound.seq
)

select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    not (j.too_high or j.too_low) as ok,
    case
        when s.seqstart between j.low and j.high
            then E'-- Refused where the sequence is past that bound already.\n'
            || pg_catalog.format('alter sequence %I.%I', ns.nspname, c.relname)
            || case when j.too_low then pg_catalog.format(' minvalue %s', j.low) else '' end
            || case when j.too_high then pg_catalog.format(' maxvalue %s', j.high) else '' end
            || ';'
    end as remedy,
    s.seqmin as lowest,
    s.seqmax as highest,
    j.columns as feeds
from judged as j
inner join pg_catalog.pg_sequence as s on j.seq = s.seqrelid
inner join pg_catalog.pg_class as c on j.seq = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where c.relpersistence <> 't'
order by subject
