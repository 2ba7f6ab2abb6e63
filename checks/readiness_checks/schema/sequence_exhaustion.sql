/*---
title: Every sequence has room left
subject: sequence
universe: sequences
priority: P0
effort: M
credit: ratio
why: |
  When a sequence has given its last number, every insert that needs one fails. The end is that of the sequence or of
  the column that takes the numbers, whichever comes first: an integer column ends at 2,147,483,647 however far the
  sequence could count. Deleted and rolled back rows have used up numbers too.
mend: |
  Where the column is the limit, make it bigint (and the foreign keys that refer to it): on a large table by a new
  column, filled in batches and swapped, since ALTER TYPE rewrites the table. As a stopgap an ascending sequence can
  start anew below zero: alter sequence ... minvalue -2147483648 restart with -2147483648; Where the sequence's own
  bound is the limit and not meant: alter sequence ... as bigint no maxvalue;
links:
  - https://www.postgresql.org/docs/current/sql-altersequence.html
  - https://www.postgresql.org/docs/current/view-pg-sequences.html
---*/
-- Sequences that CYCLE start again by design. Partitions share their root's sequence; domains go by the type below.
-- A sequence that was never used shows no last number, and neither does one whose RESTART or setval(..., false) has not
-- been followed by a nextval() yet: both are taken to stand at their start.
with recursive integers (type, low, high) as (
    select
        t.oid,
        case t.typlen when 2 then -32768 when 4 then -2147483648 else -9223372036854775808 end::pg_catalog.numeric,
        case t.typlen when 2 then 32767 when 4 then 2147483647 else 9223372036854775807 end::pg_catalog.numeric
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
            pg_catalog.format('%I.%I.%I', ns.nspname, t.relname, t.attname)
            order by ns.nspname, t.relname, t.attname
        ) as columns
    from taken as t
    inner join integers on t.atttypid = integers.type
    inner join pg_catalog.pg_namespace as ns on t.relnamespace = ns.oid
    group by t.seq
),

bounded as (
    select
        s.seqrelid,
        s.seqstart,
        s.seqincrement,
        s.seqcycle,
        c.relname,
        c.relnamespace,
        c.relpersistence,
        greatest(s.seqmin, bound.low) as low,
        least(s.seqmax, bound.high) as high,
        bound.high < s.seqmax or bound.low > s.seqmin as column_is_narrower,
        bound.columns,
        pg_catalog.row_number() over (
            order by least(s.seqmax, bound.high) - greatest(s.seqmin, bound.low), s.seqrelid
        ) as place
    from pg_catalog.pg_sequence as s
    inner join pg_catalog.pg_class as c on s.seqrelid = c.oid and c.relpersistence <> 't'
    left join column_bound as bound on s.seqrelid = bound.seq
),

-- pg_sequence_last_value() fails without privilege before 17, and locks each sequence until the transaction ends: it
-- would wait behind an ALTER SEQUENCE, and ten thousand locks are more than the lock table has room for by default. So
-- the smallest sequences are read first, up to four fifths of that room, and what isn't read is named as unseen.
looked_at as (
    select
        b.*,
        case
            when b.seqcycle then null
            -- empty on a standby, and unreadable before 17
            when b.relpersistence = 'u' and pg_catalog.pg_is_in_recovery() then 'wrong_role'
            when not pg_catalog.has_sequence_privilege(b.seqrelid, 'select,usage') then 'no_permission'
            when altered.relation is not null then 'locked'
            when
                b.place > pg_catalog.current_setting('max_locks_per_transaction')::pg_catalog.int4
                * pg_catalog.current_setting('max_connections')::pg_catalog.int4 * 0.8
                then 'not_observable'
        end as unseen
    from bounded as b
    left join (
        select distinct l.relation
        from pg_catalog.pg_locks as l
        where
            l.relation is not null
            and l.database = (
                select d.oid
                from pg_catalog.pg_database as d
                where d.datname = pg_catalog.current_database()
            )
            and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    ) as altered on b.seqrelid = altered.relation
),

read as (
    select
        l.*,
        case
            when l.unseen is null and not l.seqcycle then pg_catalog.pg_sequence_last_value(l.seqrelid)
        end as last_value
    from looked_at as l
),

measured as (
    select
        r.*,
        100 * case
            when r.seqincrement > 0 then coalesce(r.last_value, r.seqstart::pg_catalog.numeric - 1) - r.low + 1
            else r.high - coalesce(r.last_value, r.seqstart::pg_catalog.numeric + 1) + 1
        end / greatest(r.high::pg_catalog.numeric - r.low + 1, 1) as used_percent,
        -- a long step may pass over all that is left
        coalesce(
            r.last_value + r.seqincrement::pg_catalog.numeric, r.seqstart::pg_catalog.numeric
        ) between r.low and r.high as next_fits
    from read as r
)

select
    pg_catalog.format('%I.%I', ns.nspname, m.relname) as subject,
    m.seqrelid as objid,
    ns.oid as schemaid,
    case
        when m.unseen is null
            then m.seqcycle
            or (
                m.next_fits
                and m.used_percent < coalesce(
                    nullif(pg_catalog.current_setting('readiness.used_percent', true), ''), '90'
                )::pg_catalog.numeric
            )
    end as ok,
    m.unseen,
    case
        when m.unseen = 'no_permission'
            then pg_catalog.format('grant select on sequence %I.%I to %I;', ns.nspname, m.relname, current_user)
        when m.unseen = 'not_observable'
            then pg_catalog.format(
                'alter system set max_locks_per_transaction = %s; -- and a restart',
                2 * pg_catalog.current_setting('max_locks_per_transaction')::pg_catalog.int4
            )
    end as unlock,
    case when not m.seqcycle then pg_catalog.round(m.used_percent, 2)::pg_catalog.float8 end as used_percent,
    m.last_value,
    m.low::pg_catalog.int8 as lowest,
    m.high::pg_catalog.int8 as highest,
    m.seqincrement as step,
    m.seqcycle as cycles,
    coalesce(m.column_is_narrower, false) as column_is_the_limit,
    m.columns as feeds
from measured as m
inner join pg_catalog.pg_namespace as ns on m.relnamespace = ns.oid
order by subject
