/*---
title: No policy decides by what users write about themselves
subject: policy
universe: policies in force
priority: P0
effort: M
credit: ratio
why: |
  The claim user_metadata of a token is what the user has written into the own profile. A policy that asks it for a role
  or a tenant lets everybody choose theirs: one call of the client library, and the next token says admin.
mend: |
  Decide by a claim that only the server writes (app_metadata), or by a table that users can't change.
links:
  - https://supabase.com/docs/guides/database/database-advisors?lint=0015_rls_references_user_metadata
---*/
-- Conditions are read as the parser stores them, since pg_get_expr() would wait behind DDL; literals stand there as
-- bytes. They are reduced from their leaves upwards: ^ holds the token's claims, ` is the key user_metadata (or a path
-- that begins with it), ~ holds that claim; X is anything else.
with recursive known as materialized (
    select
        (
            select pg_catalog.string_agg(f.oid::pg_catalog.text, '|')
            from pg_catalog.pg_proc as f
            inner join pg_catalog.pg_namespace as ns on f.pronamespace = ns.oid
            where
                (ns.nspname = 'pg_catalog' and f.proname = 'current_setting')
                or (ns.nspname = 'auth' and f.proname = 'jwt')
        ) as claims,
        (
            select pg_catalog.string_agg(f.oid::pg_catalog.text, '|')
            from pg_catalog.pg_proc as f
            where
                f.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
                and f.proname ~ '^jsonb?_(extract_path|path_(query|exists|match))'
        ) as takes_by_function,
        (
            select pg_catalog.string_agg(op.oid::pg_catalog.text, '|')
            from pg_catalog.pg_operator as op
            where
                op.oprname in ('->', '->>', '#>', '#>>', '@>', '@?', '@@')
                and op.oprleft in ('pg_catalog.json'::pg_catalog.regtype, 'pg_catalog.jsonb'::pg_catalog.regtype)
        ) as takes_by_operator,
        '117 115 101 114 95 109 101 116 97 100 97 116 97 ' as user_metadata
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
        keyed.tree,
        pg_catalog.array_agg(p.oid) as policies
    from in_force as p
    cross join known as k
    cross join lateral (values (p.qual), (p.with_check)) as clause (tree)
    -- names may hold anything: what is escaped in them goes first, then they
    cross join
        lateral (
            select pg_catalog.regexp_replace(
                pg_catalog.regexp_replace(clause.tree, '\\.', '', 'g'),
                '"[^"]*"|:\w*name [^\s{}]+| :location -?\d+', '', 'g'
            ) as tree
        ) as plain
    cross join
        lateral (
            select pg_catalog.regexp_replace(
                pg_catalog.regexp_replace(
                    -- a text, or an array of texts whose first it is: four bytes of length stand before each
                    plain.tree,
                    '[{]CONST :consttype (?:25|1009) [^{}]*\[ (?:\S+ ){4}(?:(?:\S+ ){24})?' || k.user_metadata
                    || '(?:0 [^{}]*)?\][}]',
                    '`', 'g'
                ),
                -- a document of jsonb, or a jsonpath, with the key in it
                '[{]CONST :consttype (?:3802|4072) [^{}]* ' || k.user_metadata || '[^{}]*[}]', '`', 'g'
            ) as tree
        ) as keyed
    where
        pg_catalog.strpos(clause.tree, k.user_metadata) > 0 -- few name it, and patterns are dear
        and keyed.tree like '%`%'
    group by keyed.tree
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
        pg_catalog.regexp_replace(
            pg_catalog.regexp_replace(
                pg_catalog.regexp_replace(others.tree, '[{][^{}]*~[^{}]*[}]', '~', 'g'),
                '[{][^{}~]*\^[^{}~]*[}]', '^', 'g'
            ),
            '[{][^{}~^]*[}]', 'X', 'g'
        ),
        r.step + 1
    from reduced as r
    cross join known as k
    cross join
        lateral (
            select pg_catalog.regexp_replace(
                pg_catalog.regexp_replace(
                    r.tree, '[{]FUNCEXPR :funcid (?:' || k.claims || ') [^{}]*[}]', '^', 'g'
                ),
                '[{]ARRAY(?:EXPR)? [^{}]*:elements \(`[^{}]*[}]', '`', 'g'
            ) as tree
        ) as asked
    cross join
        lateral (
            select pg_catalog.regexp_replace(
                pg_catalog.regexp_replace(
                    asked.tree,
                    '[{](?:OPEXPR :opno (?:' || k.takes_by_operator || ')|FUNCEXPR :funcid (?:' || k.takes_by_function
                    || ')) [^{}]*:args \(\^ `[^{}]*[}]',
                    '~', 'g'
                ),
                '[{]SUBSCRIPTINGREF [^{}]*:refupperindexpr \(`[^{}]*:refexpr \^[^{}]*[}]', '~', 'g'
            ) as tree
        ) as taken
    -- another claim, whatever is in it
    cross join
        lateral (
            select pg_catalog.regexp_replace(
                taken.tree,
                '[{]OPEXPR :opno (?:' || k.takes_by_operator || ') [^{}]*:args \(\^ [^`{}]*[}]', 'X', 'g'
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
        where r.tree = '~'
    ) as ok
from in_force as p
inner join pg_catalog.pg_class as c on p.polrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
order by subject
