/*---
title: Closed lists of words are enum types
subject: column
universe: columns with a closed list of words
priority: P1
effort: M
credit: ratio
spares_bookkeeping: true
why: |
  CHECK (status IN ('open', 'closed')) writes the list of words into one table's constraint. The next table that has a
  status writes it again, a little differently; client code can't read it; and adding a word means to drop the
  constraint, add it and read the whole table. An enum type is one list with a name, takes four bytes a value, sorts in
  its own order, and takes another word without touching a row.
mend: |
  create type ... as enum (...); drop the CHECK and the default, then alter table ... alter column ... type ... using
  column::text::the_type; and set the default again. This rewrites the table under an exclusive lock: on a large one
  go by a new column. A list that changes often, or whose words have properties, wants a table that is referred to.
links:
  - https://www.postgresql.org/docs/current/datatype-enum.html
  - https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-CHECK-CONSTRAINTS
---*/
-- A closed list: a CHECK on one character column that is nothing but IN, = ANY or = joined by OR, with two or more
-- literals; "or it is null" may stand beside. Healthy ones, which complete the universe: columns of an enum type.
-- Not a list: one literal, a pattern, NOT IN, a function around the column, several columns, a domain's own CHECK
-- (the domain is a type with a name, as an enum is). Domains count by the type below them, and partitions through
-- their root.
-- The condition is read as the parser stores it, since pg_get_constraintdef() would wait behind DDL. Literals stand
-- there as numbers, so that nothing in them can be mistaken for a part of the tree. It is taken apart at its marks:
-- patterns over long texts cost several times as much.
with equality as materialized (
    select pg_catalog.array_agg(op.oid::pg_catalog.text) as operators
    from pg_catalog.pg_operator as op
    inner join pg_catalog.pg_type as t on op.oprleft = t.oid
    where op.oprname = '=' and t.typcategory = 'S'
),

listed as (
    select
        con.conrelid as relid,
        att.attname,
        att.atttypid,
        att.atttypmod,
        pg_catalog.array_agg(con.conname::pg_catalog.text order by con.conname) as constraints
    from (
        select
            c.conrelid,
            c.conkey,
            c.conname,
            -- char(n) beside a list of texts is cast by a function, 401 on every version
            pg_catalog.replace(c.conbin::pg_catalog.text, '{FUNCEXPR :funcid 401 ', '{RELABELTYPE ') as tree
        from pg_catalog.pg_constraint as c
        where
            c.contype = 'c'
            and pg_catalog.cardinality(c.conkey) = 1
            -- one that isn't enforced closes nothing; told only from 18 on
            and (c.convalidated or pg_catalog.to_jsonb(c) ->> 'conenforced' is distinct from 'false')
        -- a fence, so that it is done once
        offset 0 -- noqa: AM09
    ) as con
    inner join pg_catalog.pg_attribute as att on con.conrelid = att.attrelid and con.conkey[1] = att.attnum
    -- character types by their category, which takes in citext, and domains over any of them
    inner join pg_catalog.pg_type as t on att.atttypid = t.oid and t.typcategory = 'S'
    cross join equality
    where
        pg_catalog.strpos(con.tree, ':boolop and ') = 0
        and pg_catalog.strpos(con.tree, ':boolop not ') = 0
        and pg_catalog.strpos(con.tree, ':useOr false ') = 0
        and pg_catalog.strpos(con.tree, ':nulltesttype 1 ') = 0
        -- nor do a null among the words and an "or true": the condition is never false
        and pg_catalog.strpos(con.tree, ':constisnull true') = 0
        and pg_catalog.strpos(con.tree, '{CONST :consttype 16 ') = 0
        -- no node but these, and of operators, which stand first in theirs, equality alone; casts that change nothing
        -- are among them, functions and NOT aren't
        and not exists (
            select
            from pg_catalog.unnest((pg_catalog.string_to_array(con.tree, '{'))[2:]) as node (text)
            where
                pg_catalog.split_part(node.text, ' ', 1) not in (
                    'BOOLEXPR', 'SCALARARRAYOPEXPR', 'OPEXPR', 'NULLTEST', 'VAR', 'CONST', 'ARRAY', 'ARRAYEXPR',
                    'RELABELTYPE', 'ARRAYCOERCEEXPR', 'CASETESTEXPR'
                )
                or (
                    pg_catalog.split_part(node.text, ' ', 2) = ':opno'
                    and pg_catalog.split_part(node.text, ' ', 3) <> all (equality.operators)
                )
        )
        -- two literals, or one that is an array
        and (
            con.tree like '%{CONST %{CONST %'
            or (con.tree ~ '[{]SCALARARRAYOPEXPR .*[{]CONST ' and con.tree !~ '[{]ARRAY(EXPR)? ')
        )
    group by con.conrelid, att.attnum, att.attname, att.atttypid, att.atttypmod
),

closed as (
    select
        l.relid,
        l.attname,
        l.atttypid,
        l.atttypmod,
        false as ok,
        l.constraints
    from listed as l
    union all
    select
        att.attrelid,
        att.attname,
        att.atttypid,
        att.atttypmod,
        true as ok,
        null as constraints
    from pg_catalog.pg_attribute as att
    inner join pg_catalog.pg_type as t on att.atttypid = t.oid
    where t.typcategory = 'E' and att.attnum > 0 and att.atttypid <> 0 -- a dropped column has no type
)

select
    pg_catalog.format('%I.%I.%I', ns.nspname, c.relname, closed.attname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    closed.ok,
    pg_catalog.format_type(closed.atttypid, closed.atttypmod) as type,
    closed.constraints
from closed
inner join pg_catalog.pg_class as c on closed.relid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    c.relkind in ('r', 'p')
    and not c.relispartition
order by subject
