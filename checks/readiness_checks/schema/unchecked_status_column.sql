/*---
title: Columns that hold a status hold nothing else
subject: column
universe: columns named like a status
priority: info
effort: M
credit: ratio
spares_bookkeeping: true
why: |
  A status, state or type is one of a few words that code branches on. As free text it takes any spelling: the row with
  "Canceled" beside "cancelled" is found by no query and handled by no branch. An enum type, a CHECK or a foreign key
  to a table of them keeps to the list.
mend: |
  Look which values there are, mend the odd ones, then give the column an enum type, a CHECK (column in (...)) NOT VALID
  and validated after, or a foreign key to a table of them.
links:
  - https://www.postgresql.org/docs/current/datatype-enum.html
---*/
-- By name: status, state, kind, priority, severity, level or type alone, or behind an underscore. A guess, so told and
-- not counted. Any CHECK that compares the column with something, or any foreign key on it, keeps it; so does a domain
-- with a CHECK, or over an enum. One that only asks for a value at all, that is true whatever it is, or that isn't
-- enforced keeps nothing. Conditions are read as the parser stores them: pg_get_constraintdef() would wait behind DDL.
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
    inner join pg_catalog.pg_type as t on d.base = t.oid
    where
        t.typtype = 'e'
        or exists (
            select
            from pg_catalog.pg_constraint as con
            where
                con.contypid = d.base
                and con.contypid <> 0 -- told before the conditions of all tables are looked at
                and con.contype = 'c'
                and con.conbin::pg_catalog.text ~ '[{](?:CONST|FUNCEXPR|SUBLINK) '
                and con.conbin::pg_catalog.text !~ '^[{]BOOLEXPR :boolop or :args \([{]CONST :consttype 16 [^{}]*\[ 1 '
                and con.conbin::pg_catalog.text
                !~ '^[{]BOOLEXPR :boolop or .*[{]CONST :consttype 16 [^{}]*\[ 1 [^{}]*[}]\)[^{}]*[}]$'
        )
)

select
    pg_catalog.format('%I.%I.%I', ns.nspname, c.relname, att.attname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    t.typtype = 'e'
    or t.oid in (select d.oid from kept_domains as d)
    or exists (
        select
        from pg_catalog.pg_constraint as con
        where
            con.conrelid = c.oid
            and att.attnum = any (con.conkey)
            and (
                con.contype = 'f'
                or (
                    con.contype = 'c'
                    -- with something to compare it with, and no `or true` at either end
                    and con.conbin::pg_catalog.text ~ '[{](?:CONST|FUNCEXPR|SUBLINK) '
                    and con.conbin::pg_catalog.text
                    !~ '^[{]BOOLEXPR :boolop or :args \([{]CONST :consttype 16 [^{}]*\[ 1 '
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
                )
            )
    ) as ok,
    pg_catalog.format_type(att.atttypid, att.atttypmod) as type
from (
    select
        a.attrelid,
        a.attname,
        a.attnum,
        a.atttypid,
        a.atttypmod
    from pg_catalog.pg_attribute as a
    where
        a.attnum > 0
        and a.atttypid <> 0 -- a dropped column has no type
        -- told by numbers first: a pattern is dear
        and case
            when
                a.atttypid in (
                    select t.oid from pg_catalog.pg_type as t where t.typtype in ('e', 'd') or t.typcategory = 'S'
                )
                then a.attname ~ '(^|_)(status|state|kind|type|priority|severity|level)$'
        end
    offset 0 -- noqa: AM09
) as att
inner join pg_catalog.pg_class as c on att.attrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
inner join pg_catalog.pg_type as t on att.atttypid = t.oid
where
    c.relkind in ('r', 'p')
    and not c.relispartition
order by subject
