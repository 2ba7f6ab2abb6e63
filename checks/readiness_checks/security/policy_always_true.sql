/*---
title: No policy lets everybody change every row
subject: policy
universe: policies for writing, of everybody
priority: P1
effort: M
credit: ratio
why: |
  Permissive policies are joined by OR. One whose condition is true for every row opens the table to all whom it is
  for, whatever the other permissive ones say, and row level security is then on for show. For reading that may be
  meant; for writing it hardly ever is. Restrictive policies beside it (narrowed_by) still hold, and then all hangs on
  them: where they are meant to decide alone, waive it. A policy that states no condition at all is told with them: it
  permits nothing as it stands, which nobody meant, and many a tool and reader takes it for one that permits all.
  A column compared with itself counts as true, as it is wherever it isn't null; a branch of an OR that is always true
  opens the whole.
mend: |
  State the condition: alter policy ... using (owner = (select current_user)) with check (...); or give the policy to
  the role that may do this, and no other.
links:
  - https://www.postgresql.org/docs/current/sql-createpolicy.html
---*/
-- Everybody: PUBLIC, and the roles that an API gives to its callers, with what they inherit.
-- Conditions are read as the parser stores them, since pg_get_expr() would wait behind DDL. A tree is reduced from its
-- leaves upwards, each node that has no node in it to a word: #T true, #F false, #N null, #C another constant, which is
-- not computed here; #5 a number, #=25:... a type and bytes; #V... a column, #S... who asks and the like; #E a query of
-- no table; #X anything else, which no constant decides.
with recursive exposed as (
    select 0::pg_catalog.oid as oid
    union all
    select r.oid
    from pg_catalog.pg_roles as r
    where
        r.rolname::pg_catalog.text = any (
            pg_catalog.regexp_split_to_array(
                coalesce(
                    nullif(pg_catalog.current_setting('readiness.api_roles', true), ''), 'anon, authenticated'
                ),
                '\s*,\s*'
            )
        )
),

writing as materialized (
    select p.*
    from pg_catalog.pg_policy as p
    inner join pg_catalog.pg_class as c on p.polrelid = c.oid
    where
        p.polpermissive
        and p.polcmd <> 'r'
        and c.relrowsecurity
        and exists (
            select
            from pg_catalog.unnest(p.polroles) as named (oid)
            cross join exposed as e
            where
                named.oid = 0
                or (e.oid <> 0 and named.oid <> 0 and pg_catalog.pg_has_role(e.oid, named.oid, 'usage'))
        )
),

clauses as materialized (
    select
        w.oid,
        clause.name,
        -- names may hold anything, escaped; places in the text tell two equal constants apart
        pg_catalog.regexp_replace(clause.tree, '\\.|#| :location -?\d+', '', 'g') as tree,
        -- the columns that may be null are each table's own
        case when clause.tree like '%{NULLTEST %' then w.polrelid else 0 end as relid
    from writing as w
    cross join
        lateral (
            values ('using', w.polqual::pg_catalog.text), ('with check', w.polwithcheck::pg_catalog.text)
        ) as clause (name, tree)
    where clause.tree is not null
),

-- Many tables have one policy's condition: it is looked at once.
conditions as materialized (
    select
        pg_catalog.row_number() over () as number,
        c.tree,
        c.relid,
        pg_catalog.array_agg(c.oid) as policies,
        pg_catalog.array_agg(c.name) as names
    from clauses as c
    group by c.tree, c.relid
),

pieces as materialized (
    select
        c.number,
        piece.text,
        piece.place,
        case when piece.text like 'CONST %' then pg_catalog.split_part(piece.text, '}', 1) end as constant
    from conditions as c
    cross join pg_catalog.unnest(pg_catalog.string_to_array(c.tree, '{')) with ordinality as piece (text, place)
),

constants as materialized (
    select
        body.text,
        body.parts[1] as type,
        body.parts[2]::pg_catalog.int4 as bytes,
        pg_catalog.string_to_array(body.parts[3], ' ')::pg_catalog.int4[] as values
    from (
        select
            found.text,
            pg_catalog.regexp_match(found.text, ':consttype (\d+) .*:constvalue (\d+) \[ ([-\d ]+) \]') as parts
        from (
            select distinct p.constant as text
            from pieces as p
            where p.constant is not null
        ) as found
    ) as body
),

words as materialized (
    select
        c.text,
        case
            when c.type is null then 'N'
            when c.type = '16' then case c.values[1] when 0 then 'F' else 'T' end
            when c.type in ('20', '21', '23') then whole.value::pg_catalog.text
            when c.type = '1700' and form.head < 49152 then decimals.value::pg_catalog.text
            else
                '='
                || case c.type when '1043' then '25' else c.type end
                || ':'
                || pg_catalog.array_to_string(c.values, ',')
        end as word
    from constants as c
    -- the lowest byte comes first; the highest of the type's own has the sign
    left join lateral (
        select
            pg_catalog.trim_scale(
                pg_catalog.sum(
                    ((b.value & 255) - case when b.place = c.bytes then 2 * (b.value & 128) else 0 end)
                    * 256::pg_catalog.numeric ^ (b.place - 1)
                )
            ) as value
        from pg_catalog.unnest(c.values) with ordinality as b (value, place)
        where b.place <= c.bytes
    ) as whole on c.type in ('20', '21', '23')
    -- numeric: behind the length, of four bytes, a head that is short or long, and digits of two bytes each
    cross join lateral (select (c.values[5] & 255) + 256 * (c.values[6] & 255) as head) as form
    left join lateral (
        select
            pg_catalog.trim_scale(
                coalesce(
                    pg_catalog.sum(
                        ((c.values[digit.low] & 255) + 256 * c.values[digit.low + 1])
                        * ('1e' || 4 * (
                            case
                                when form.head < 32768 then (c.values[7] & 255) + 256 * c.values[8]
                                else (form.head & 63) - (form.head & 64)
                            end - digit.place
                        ))::pg_catalog.numeric
                    ),
                    0
                ) * case when form.head & case when form.head < 32768 then 16384 else 8192 end = 0 then 1 else -1 end
            ) as value
        from (
            select
                n as place,
                case when form.head < 32768 then 9 else 7 end + 2 * n as low
            from pg_catalog.generate_series(0, c.bytes / 2) as n
        ) as digit
        where digit.low < c.bytes
    ) as decimals on c.type = '1700'
),

-- Whose a condition is goes with it, and each full join here is an inner or a left one that is never a loop in a loop.
reduced (policies, names, relid, tree, step) as (
    select
        c.policies,
        c.names,
        c.relid,
        begun.tree,
        0
    from (
        select
            p.number,
            pg_catalog.string_agg(
                case
                    when p.place = 1 then ''
                    when p.constant is null then '{' || p.text
                    else '#' || words.word || pg_catalog.substr(p.text, pg_catalog.length(p.constant) + 2)
                end,
                '' order by p.place
            ) as tree
        from pieces as p
        left join words on p.constant = words.text
        group by p.number
    ) as begun
    full join conditions as c on begun.number = c.number
    union all
    select
        r.policies,
        r.names,
        r.relid,
        -- nothing but AND, OR, NOT, COALESCE and CASE is more than what is in it
        case
            when
                next.tree like '%#X%'
                and next.tree not like '%{BOOLEXPR %'
                and next.tree not like '%{COALESCE%'
                and next.tree not like '%{CASE%'
                then '#X'
            else next.tree
        end,
        r.step + 1
    from reduced as r
    cross join lateral (
        select
            pg_catalog.string_agg(
                case
                    when piece.place = 1 then ''
                    when node.body is null then '{' || piece.text
                    else
                        '#'
                        || coalesce(word.said, 'X')
                        || pg_catalog.substr(piece.text, pg_catalog.length(node.body) + 2)
                end,
                '' order by piece.place
            ) as tree
        from pg_catalog.unnest(pg_catalog.string_to_array(r.tree, '{')) with ordinality as piece (text, place)
        cross join lateral (
            select case when piece.text like '%}%' then pg_catalog.split_part(piece.text, '}', 1) end as body
        ) as node
        cross join lateral (select pg_catalog.split_part(node.body, ' ', 1) as kind) as its
        -- what a comparison of two constants, or of anything with itself, comes to
        left join lateral (
            select
                case
                    when
                        pair.one = pair.other and pg_catalog.left(pair.one, 1) in ('X', 'C')
                        then pg_catalog.left(pair.one, 1)
                    when pair.one = 'N' and pair.other = 'N' then case its.kind when 'OPEXPR' then 'N' else 'F' end
                    when pair.one = pair.other and pair.name in ('=', '<=', '>=') then 'T'
                    when pair.one = pair.other and pair.name in ('<>', '<', '>') then 'F'
                    when pair.one = pair.other and pg_catalog.left(pair.one, 1) in ('V', 'S') then 'X'
                    when 'C' in (pair.one, pair.other) then 'C'
                    when 'N' in (pair.one, pair.other) then case its.kind when 'OPEXPR' then 'N' else 'T' end
                    when pair.numbers and pair.name in ('=', '<>', '<', '<=', '>', '>=')
                        then case
                            when
                                case pg_catalog.sign(pair.one::pg_catalog.numeric - pair.other::pg_catalog.numeric)
                                    when -1 then pair.name in ('<', '<=', '<>')
                                    else pair.name in ('>', '>=', '<>')
                                end
                                then 'T'
                            else 'F'
                        end
                    -- bool, bytea, "char", text, date, timestamp, timestamptz, uuid: other bytes, another value
                    when
                        pair.name in ('=', '<>')
                        and pg_catalog.split_part(pair.one, ':', 1) = pg_catalog.split_part(pair.other, ':', 1)
                        and pg_catalog.split_part(pair.one, ':', 1)
                        in ('=17', '=18', '=25', '=1082', '=1114', '=1184', '=2950')
                        and pair.collation in ('0', '100', '950')
                        or pair.name in ('=', '<>') and pair.one in ('T', 'F') and pair.other in ('T', 'F')
                        then case pair.name when '=' then 'F' else 'T' end
                    else 'C'
                end as word
            from (
                select
                    case its.kind when 'OPEXPR' then op.oprname::pg_catalog.text else '<>' end as name,
                    m.parts[2] as collation,
                    m.parts[3] as one,
                    m.parts[4] as other,
                    m.parts[3] ~ '^[-\d]' and m.parts[4] ~ '^[-\d]' as numbers
                from pg_catalog.regexp_match(
                    node.body, ':opno (\d+) .*:inputcollid (\d+) :args \(#([^ ]+) #([^ )]+)\)'
                ) as m (parts)
                inner join pg_catalog.pg_operator as op on m.parts[1]::pg_catalog.oid = op.oid
                where
                    its.kind in ('OPEXPR', 'DISTINCTEXPR')
                    and (
                        m.parts[3] = m.parts[4]
                        or pg_catalog.left(m.parts[3], 1) not in ('X', 'V', 'S')
                        and pg_catalog.left(m.parts[4], 1) not in ('X', 'V', 'S')
                    )
            ) as pair
        ) as compared on true
        -- a column of this table that is never null, which 18 may have declared and not validated
        left join lateral (
            select true as holds
            from pg_catalog.pg_attribute as att
            where
                its.kind = 'NULLTEST'
                and att.attrelid = r.relid
                and att.attnum = pg_catalog.substring(node.body, '#V1\.(\d+)\.0 ')::pg_catalog.int2
                and att.attnotnull
                and not exists (
                    select
                    from pg_catalog.pg_constraint as con
                    where
                        con.conrelid = r.relid
                        and con.contype = 'n'
                        and con.conkey = array[att.attnum]
                        and not con.convalidated
                )
        ) as never_null on true
        cross join lateral (
            select
                case its.kind
                    when 'VAR' then pg_catalog.regexp_replace(
                        node.body, '.*:varno (\d+) :varattno (-?\d+) .*:varlevelsup (\d+).*', 'V\1.\2.\3'
                    )
                    when 'SQLVALUEFUNCTION' then 'S' || pg_catalog.substring(node.body, ':op (\d+)')
                    when 'BOOLEXPR' then case
                        when node.body like '%:boolop or %' then case
                            when node.body like '%#T%' then 'T'
                            when pg_catalog.replace(node.body, '#F', '') not like '%#%' then 'F'
                            when node.body like '%#C%' then 'C'
                        end
                        when node.body like '%:boolop and %' then case
                            when node.body like '%#F%' then 'F'
                            when pg_catalog.replace(node.body, '#T', '') not like '%#%' then 'T'
                            when node.body !~ '#[^TC]' then 'C'
                        end
                        when node.body like '%#T%' then 'F'
                        when node.body like '%#F%' then 'T'
                        when node.body like '%#C%' then 'C'
                    end
                    -- 0 to 5: IS TRUE, IS NOT TRUE, IS FALSE, IS NOT FALSE, IS UNKNOWN, IS NOT UNKNOWN
                    when 'BOOLEANTEST' then case
                        when
                            node.body ~ '#(?:T :booltesttype [035]|F :booltesttype [125]|N :booltesttype [134])'
                            then 'T'
                        when node.body ~ '#[TFN]' then 'F'
                        when node.body like '%#C%' then 'C'
                    end
                    -- 0 and 1: IS NULL, IS NOT NULL
                    when 'NULLTEST' then case
                        when node.body like '%:argisrow true%' or node.body like '%#X%' then null
                        when node.body like '%#C%' then 'C'
                        when node.body like '%#V%' and never_null.holds is null then null
                        when (node.body like '%#N%') = (node.body like '%:nulltesttype 0%') then 'T'
                        else 'F'
                    end
                    when 'FROMEXPR' then case when node.body ~ ':fromlist <> :quals (?:<>|#T)' then 'E' end
                    when 'QUERY' then pg_catalog.substring(
                        node.body,
                        ':hasTargetSRFs false .*:rtable <> .*:jointree #E .*:targetList \(#([^ ]+)\) .*'
                        ':havingQual <> .*:limitOffset <> :limitCount <> .*:setOperations <>'
                    )
                    -- 0 and 4: EXISTS, and (select ...) for a value
                    when 'SUBLINK' then case
                        when node.body like '%#X%' then null
                        when node.body like '%:subLinkType 0 %' then 'T'
                        when
                            node.body like '%:subLinkType 4 %'
                            then pg_catalog.substring(node.body, ':subselect #([^ ]+)')
                    end
                    else case
                        when compared.word is not null then compared.word
                        when its.kind in ('RELABELTYPE', 'COLLATE', 'COLLATEEXPR', 'TARGETENTRY')
                            then pg_catalog.substring(node.body, ':(?:arg|expr) #([^ ]+)')
                        -- the first that isn't null
                        when its.kind in ('COALESCE', 'COALESCEEXPR')
                            then pg_catalog.substring(node.body, ':args \((?:#N )*#([^XV ][^ )]*)')
                        -- #W: a branch that is true, whenever it is taken; CASE is true that has no other
                        when
                            its.kind in ('WHEN', 'CASEWHEN') and node.body ~ ':expr #[XVS][^ ]* :result #T'
                            then 'W'
                        when
                            node.body like '%#W%'
                            then case when node.body ~ ':args \((?:#W ?)+\) :defresult #T' then 'T' end
                        when node.body ~ '#[XVSE]' then null
                        -- what computes of constants alone
                        when
                            its.kind = 'FUNCEXPR'
                            and node.body like '%:funcformat 0 %:args (#%'
                            and (
                                select f.provolatile = 'i'
                                from pg_catalog.pg_proc as f
                                where f.oid = pg_catalog.substring(node.body, ':funcid (\d+) ')::pg_catalog.oid
                            )
                            then 'C'
                        -- a cast; a whole number stays what it is as another type of number
                        when its.kind = 'FUNCEXPR' and node.body ~ ':funcformat [12] .*:args \(#' then coalesce(
                            pg_catalog.substring(
                                node.body, ':funcresulttype (?:20|21|23|1700) .*:args \(#(-?\d+)\)'
                            ),
                            'C'
                        )
                        when
                            its.kind in (
                                'OPEXPR',
                                'DISTINCTEXPR',
                                'SCALARARRAYOPEXPR',
                                'NULLIFEXPR',
                                'ARRAY',
                                'ARRAYEXPR',
                                'MINMAX',
                                'MINMAXEXPR', 'CASE', 'CASEEXPR', 'WHEN', 'CASEWHEN', 'COERCEVIAIO', 'COERCETODOMAIN'
                            )
                            then 'C'
                    end
                end as said
        ) as word
    ) as next
    where r.tree like '%{%' and r.step < 500
),

open as (
    select
        c.oid,
        pg_catalog.array_agg(r.names[c.place] order by r.names[c.place]) filter (where r.tree = '#T') as always_true,
        pg_catalog.bool_or(r.tree <> '#T') as unclear
    from reduced as r
    cross join lateral pg_catalog.unnest(r.policies) with ordinality as c (oid, place)
    where r.tree in ('#T', '#C') or (r.tree like '%{%' and r.step = 500)
    group by c.oid
)

select
    pg_catalog.format('%I.%I:%I', ns.nspname, c.relname, w.polname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    case
        when open.always_true is not null or said.nothing then false
        when open.unclear then null
        else true
    end as ok,
    'not_observable' as unseen,
    'alter policy ... using (...) with a condition that says true or false as it stands' as unlock,
    case w.polcmd when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end as command,
    array(
        select coalesce(pg_catalog.pg_get_userbyid(nullif(named.oid, 0))::pg_catalog.text, 'public')
        from pg_catalog.unnest(w.polroles) as named (oid)
        order by named.oid
    ) as roles,
    coalesce(open.always_true, case when said.nothing then array['no condition'] end) as always_true,
    array(
        select r.polname::pg_catalog.text
        from pg_catalog.pg_policy as r
        where
            r.polrelid = w.polrelid
            and not r.polpermissive
            and (r.polcmd = w.polcmd or r.polcmd = '*' or w.polcmd = '*')
            and (r.polroles && w.polroles or 0 = any (r.polroles) or 0 = any (w.polroles))
        order by r.polname
    ) as narrowed_by
from writing as w
full join open on w.oid = open.oid
inner join pg_catalog.pg_class as c on w.polrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
cross join lateral (
    select
        case
            when w.polcmd = 'a' then w.polwithcheck is null
            else w.polqual is null and w.polwithcheck is null
        end as nothing
) as said
order by subject
