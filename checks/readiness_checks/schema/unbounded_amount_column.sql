/*---
title: Amounts of money are held within bounds
subject: column
universe: columns named like an amount of money
priority: info
effort: S
credit: ratio
spares_bookkeeping: true
why: |
  A price below zero, or a fee a thousand times too high, comes from one wrong sign in one of the programs that write
  here, and every sum over it is wrong without an error. A CHECK refuses it in the one place that all of them pass.
  Whether a column holds money is guessed from its name (price, amount, cost, fee, total and their like), and where
  amounts may be negative only who runs it knows, so this is told and weighs nothing.
mend: |
  Say what the column may hold: add a CHECK such as (price >= 0) NOT VALID, look for the rows that break it, mend them,
  and VALIDATE it, which lets others read and write meanwhile. What may be negative, a refund or a balance, has a lowest
  and a highest amount, too.
links:
  - https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-CHECK-CONSTRAINTS
---*/
-- Whole numbers count where they are named like one amount (price, fee_cents): `total` and `payments` rather count
-- things. Any CHECK that compares the column with something keeps it, and so does a domain's. One that only asks for a
-- value at all, that is true whatever it is, or that isn't enforced keeps nothing. Conditions are read as the parser
-- stores them: pg_get_constraintdef() would wait behind DDL.
with recursive domains (oid, base) as (
    select
        t.oid,
        t.oid as base
    from pg_catalog.pg_type as t
    where t.typtype = 'd'
    union all
    select
        d.oid,
        t.typbasetype
    from domains as d
    inner join pg_catalog.pg_type as t on d.base = t.oid
    where t.typtype = 'd'
),

kept_domains as (
    select d.oid
    from domains as d
    where
        exists (
            select
            from pg_catalog.pg_constraint as con
            where
                con.contypid = d.base
                and con.contype = 'c'
                and con.conbin::pg_catalog.text ~ '[{](?:CONST|FUNCEXPR|SUBLINK) '
                and con.conbin::pg_catalog.text !~ '^[{]BOOLEXPR :boolop or :args \([{]CONST :consttype 16 [^{}]*\[ 1 '
                and con.conbin::pg_catalog.text
                !~ '^[{]BOOLEXPR :boolop or .*[{]CONST :consttype 16 [^{}]*\[ 1 [^{}]*[}]\)[^{}]*[}]$'
            -- a fence: looked up by the index, where a join may be a loop in a loop
            offset 0 -- noqa: AM09
        )
),

held (type, whole) as (
    select
        t.oid,
        t.oid in (
            'pg_catalog.int2'::pg_catalog.regtype,
            'pg_catalog.int4'::pg_catalog.regtype,
            'pg_catalog.int8'::pg_catalog.regtype
        )
    from pg_catalog.pg_type as t
    where
        t.oid in (
            'pg_catalog.int2'::pg_catalog.regtype,
            'pg_catalog.int4'::pg_catalog.regtype,
            'pg_catalog.int8'::pg_catalog.regtype,
            'pg_catalog.float4'::pg_catalog.regtype,
            'pg_catalog.float8'::pg_catalog.regtype,
            'pg_catalog.numeric'::pg_catalog.regtype,
            'pg_catalog.money'::pg_catalog.regtype
        )
    union all
    select
        d.oid,
        held.whole
    from held
    inner join pg_catalog.pg_type as d on held.type = d.typbasetype and d.typtype = 'd'
)

select
    pg_catalog.format('%I.%I.%I', ns.nspname, c.relname, att.attname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    att.atttypid in (select d.oid from kept_domains as d)
    or exists (
        select
        from pg_catalog.pg_constraint as con
        where
            con.conrelid = c.oid
            and con.contype = 'c'
            and att.attnum = any (con.conkey)
            -- with something to compare it with, be it another column, and no `or true` at either end
            and (
                con.conbin::pg_catalog.text ~ '[{](?:CONST|FUNCEXPR|SUBLINK) '
                or (pg_catalog.cardinality(con.conkey) > 1 and con.conbin::pg_catalog.text ~ '[{]OPEXPR ')
            )
            and con.conbin::pg_catalog.text !~ '^[{]BOOLEXPR :boolop or :args \([{]CONST :consttype 16 [^{}]*\[ 1 '
            and con.conbin::pg_catalog.text
            !~ '^[{]BOOLEXPR :boolop or .*[{]CONST :consttype 16 [^{}]*\[ 1 [^{}]*[}]\)[^{}]*[}]$'
            -- which says more of the column than whether it is there
            and (
                con.conbin::pg_catalog.text not like '%{NULLTEST %'
                or pg_catalog.regexp_replace(
                    con.conbin::pg_catalog.text, '[{]NULLTEST :arg [{]VAR [^{}]*[}][^{}]*[}]', '', 'g'
                ) like '% :varattno ' || att.attnum || ' %'
            )
            -- told only from 18 on
            and (con.convalidated or pg_catalog.to_jsonb(con) ->> 'conenforced' is distinct from 'false')
    ) as ok,
    pg_catalog.format_type(att.atttypid, att.atttypmod) as type
from (
    select
        a.attrelid,
        a.attname,
        a.attnum,
        a.atttypid,
        a.atttypmod,
        held.whole,
        -- unit_price, unitPrice and "Unit Price" alike
        pg_catalog.btrim(
            pg_catalog.regexp_replace(
                pg_catalog.lower(
                    pg_catalog.regexp_replace(a.attname::pg_catalog.text, '([a-z0-9])([A-Z])', '\1_\2', 'g')
                ),
                '[^a-z0-9]+',
                '_',
                'g'
            ),
            '_'
        ) as name
    from pg_catalog.pg_attribute as a
    inner join held on a.atttypid = held.type
    where
        a.attnum > 0
        and a.atttypid <> 0 -- a dropped column has no type
        -- told by the column alone first: by numbers, then by a plain pattern
        and case
            when a.atttypid = any (array(select h.type from held as h))
                then a.attname ~* '(?:price|amount|cost|fee|salary|wage|payment|revenue|total|cents)'
        end
    offset 0 -- noqa: AM09
) as att
inner join pg_catalog.pg_class as c on att.attrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    c.relkind in ('r', 'p')
    and not c.relispartition
    and case
        when att.whole then att.name ~ '(^|_)((price|amount|cost|fee|salary|wage)(_(net|gross|cents?|minor))*|cents)$'
        else
            att.name ~ (
                '(^|_)((price|amount|cost|fee|salary|wage|payment|revenue|(sub)?total)s?'
                '(_(net|gross|eur|usd|gbp|chf|cents?))*|cents)$'
            )
    end
order by subject
