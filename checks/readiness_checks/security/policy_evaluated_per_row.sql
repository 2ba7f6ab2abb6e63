/*---
title: Policies look up who asks once a query, not once a row
subject: policy
universe: policies in force
priority: P2
effort: S
credit: ratio
why: |
  current_setting() and functions like auth.uid() give the same answer for every row of a query, but the planner does
  not know: written bare, they are called for each row that the policy looks at, and a table of a million rows is read a
  thousand times slower. Inside a scalar sub-select the planner calls them once and keeps the answer.
mend: |
  Put the call into a sub-select: alter policy ... using (owner = (select auth.uid()));
links:
  - https://www.postgresql.org/docs/current/ddl-rowsecurity.html
  - https://www.postgresql.org/docs/current/sql-alterpolicy.html
---*/
-- Conditions are read as the parser stores them, since pg_get_expr() would wait behind DDL. They are reduced from their
-- leaves upwards: B holds a bare call, O a column of the query around it, W both, X none. A sub-select that reads no
-- table and nothing of the row runs once; so does a scalar one (subLinkType 4) that reads nothing of the row.
with recursive asking as materialized (
    select
        '[{]FUNCEXPR :funcid (?:' || pg_catalog.string_agg(f.oid::pg_catalog.text, '|') || ') ' as call,
        -- what is looked at as itself, never as any other node
        '[{](?!SUBLINK |QUERY |FUNCEXPR :funcid (?:'
        || pg_catalog.string_agg(f.oid::pg_catalog.text, '|') || ') )' as other
    from pg_catalog.pg_proc as f
    inner join pg_catalog.pg_namespace as ns on f.pronamespace = ns.oid
    where
        (ns.nspname = 'pg_catalog' and f.proname = 'current_setting')
        or (ns.nspname = 'auth' and f.proname in ('uid', 'jwt', 'role', 'email'))
),

in_force as materialized (
    select
        p.oid,
        p.polname,
        p.polrelid,
        p.polqual::pg_catalog.text as qual,
        p.polwithcheck::pg_catalog.text as with_check
    from pg_catalog.pg_policy as p
    inner join pg_catalog.pg_class as c on p.polrelid = c.oid
    where c.relrowsecurity
),

-- Many tables have one policy's condition: it is looked at once.
conditions as materialized (
    select
        plain.tree,
        pg_catalog.array_agg(plain.oid) as policies
    from (
        select
            p.oid,
            -- names may hold anything: what is escaped in them goes first, then they
            pg_catalog.regexp_replace(
                pg_catalog.regexp_replace(clause.tree, '\\.', '', 'g'),
                '"[^"]*"|:\w*name [^\s{}]+| :location -?\d+', '', 'g'
            ) as tree
        from in_force as p
        cross join asking as a
        cross join lateral (values (p.qual), (p.with_check)) as clause (tree)
        where clause.tree ~ a.call
    ) as plain
    group by plain.tree
),

-- Whose they are goes with them: a join would be made by a guess at how many are left.
reduced (policies, tree, step) as (
    select
        c.policies,
        c.tree,
        0
    from conditions as c
    union all
    select
        r.policies,
        others.tree,
        r.step + 1
    from reduced as r
    cross join asking as a
    cross join lateral (
        select
            pg_catalog.regexp_replace(
                pg_catalog.regexp_replace(
                    pg_catalog.regexp_replace(
                        pg_catalog.regexp_replace(
                            r.tree, '[{]SUBLINK :subLinkType 4 (?![^{}]*~W~)[^{}]*[}]', 'X', 'g'
                        ),
                        '[{]SUBLINK [^{}]*~[BW]~[^{}]*[}]', '~B~', 'g'
                    ),
                    '[{]SUBLINK [^{}]*~O~[^{}]*[}]|[{]VAR [^{}]*:varlevelsup [1-9][^{}]*[}]', '~O~', 'g'
                ),
                '[{]SUBLINK [^{}]*[}]', 'X', 'g'
            ) as tree
    ) as links
    cross join lateral (
        select
            pg_catalog.regexp_replace(
                pg_catalog.regexp_replace(
                    pg_catalog.regexp_replace(
                        pg_catalog.regexp_replace(
                            links.tree, '[{]QUERY (?=[^{}]*~[BW]~)(?=[^{}]*~[OW]~)[^{}]*[}]', '~W~', 'g'
                        ),
                        '[{]QUERY [^{}]*:rtable <> [^{}]*[}]', 'X', 'g'
                    ),
                    '[{]QUERY [^{}]*~B~[^{}]*[}]', '~B~', 'g'
                ),
                '[{]QUERY [^{}]*[}]', 'X', 'g'
            ) as tree
    ) as queries
    cross join lateral (
        select
            pg_catalog.regexp_replace(
                pg_catalog.regexp_replace(queries.tree, a.call || '[^{}]*~[OW]~[^{}]*[}]', '~W~', 'g'),
                a.call || '[^{}]*[}]', '~B~', 'g'
            ) as tree
    ) as calls
    cross join lateral (
        select
            pg_catalog.regexp_replace(
                pg_catalog.regexp_replace(
                    pg_catalog.regexp_replace(
                        pg_catalog.regexp_replace(
                            calls.tree,
                            a.other || '(?=[^{}]*~[BW]~)(?=[^{}]*~[OW]~)[^{}]*[}]', '~W~', 'g'
                        ),
                        a.other || '(?=[^{}]*~B~)(?![^{}]*~[OW]~)[^{}]*[}]', '~B~', 'g'
                    ),
                    a.other || '(?=[^{}]*~O~)(?![^{}]*~[BW]~)[^{}]*[}]', '~O~', 'g'
                ),
                a.other || '[^{}~]*[}]', 'X', 'g'
            ) as tree
    ) as others
    where r.tree like '%{%' and r.step < 500
)

select
    pg_catalog.format('%I.%I:%I', ns.nspname, c.relname, p.polname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    p.oid not in (
        select pg_catalog.unnest(r.policies)
        from reduced as r
        where r.tree in ('~B~', '~W~')
    ) as ok
from in_force as p
inner join pg_catalog.pg_class as c on p.polrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
order by subject
