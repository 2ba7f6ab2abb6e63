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
mend: |
  State the condition: alter policy ... using (owner = (select current_user)) with check (...); or give the policy to
  the role that may do this, and no other.
links:
  - https://www.postgresql.org/docs/current/sql-createpolicy.html
---*/
-- Everybody: PUBLIC, and the roles that an API gives to its callers, with what they inherit.
-- Conditions are read as the parser stores them, since pg_get_expr() would wait behind DDL. A condition is reduced from
-- its leaves upwards: T true, F false, C another constant, X anything else; null is no truth, so X.
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

operators as materialized (
    select
        pg_catalog.string_agg(op.oid::pg_catalog.text, '|') filter (where op.oprname = '=') as equal,
        pg_catalog.string_agg(op.oid::pg_catalog.text, '|') filter (where op.oprname = '<>') as unequal
    from pg_catalog.pg_operator as op
    where op.oprname in ('=', '<>')
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

reduced (oid, clause, tree, step) as (
    select
        w.oid,
        clause.name,
        selected.tree,
        0
    from writing as w
    cross join operators as op
    cross join
        lateral (
            values ('using', w.polqual::pg_catalog.text), ('with check', w.polwithcheck::pg_catalog.text)
        ) as clause (name, tree)
    -- names may hold anything, escaped; places in the text tell two equal constants apart
    cross join
        lateral (
            select pg_catalog.regexp_replace(
                pg_catalog.regexp_replace(
                    pg_catalog.regexp_replace(clause.tree, '\\.', '', 'g'), ' :location -?\d+', '', 'g'
                ),
                '[{]CONST [^{}]*:constisnull true[^{}]*[}]', 'X', 'g'
            ) as tree
        ) as plain
    cross join
        lateral (
            select pg_catalog.regexp_replace(
                pg_catalog.regexp_replace(
                    pg_catalog.regexp_replace(
                        pg_catalog.regexp_replace(
                            plain.tree,
                            '[{]OPEXPR :opno (?:' || op.equal || ') [^{}]*:args \(([{]CONST [^{}]*[}]) \1\)[}]',
                            'T',
                            'g'
                        ),
                        '[{]OPEXPR :opno (?:' || op.unequal || ') [^{}]*:args \(([{]CONST [^{}]*[}]) \1\)[}]', 'F', 'g'
                    ),
                    '[{]OPEXPR :opno (?:' || op.equal || ') [^{}]*:args \([{]CONST [^{}]*[}] [{]CONST [^{}]*[}]\)[}]',
                    'F', 'g'
                ),
                '[{]OPEXPR :opno (?:' || op.unequal || ') [^{}]*:args \([{]CONST [^{}]*[}] [{]CONST [^{}]*[}]\)[}]',
                'T', 'g'
            ) as tree
        ) as compared
    cross join
        lateral (
            select pg_catalog.regexp_replace(
                pg_catalog.regexp_replace(
                    pg_catalog.regexp_replace(
                        compared.tree, '[{]CONST :consttype 16 [^{}]*:constvalue 1 \[ 1 [^{}]*[}]', 'T', 'g'
                    ),
                    '[{]CONST :consttype 16 [^{}]*:constvalue 1 \[ 0 [^{}]*[}]', 'F', 'g'
                ),
                '[{]CONST [^{}]*[}]', 'C', 'g'
            ) as tree
        ) as constants
    -- (select true), of no table
    cross join
        lateral (
            select pg_catalog.regexp_replace(
                constants.tree,
                '[{]SUBLINK :subLinkType 4 [^{}]*:subselect [{]QUERY [^{}]*:rtable <> [^{}]*'
                ':jointree [{]FROMEXPR :fromlist <> :quals <>[}][^{}]*'
                ':targetList \([{]TARGETENTRY :expr ([TFC]) [^{}]*[}]\)[^{}]*'
                ':havingQual <> [^{}]*:limitOffset <> :limitCount <> [^{}]*[}][^{}]*[}]',
                '\1', 'g'
            ) as tree
        ) as selected
    where clause.tree is not null
    union all
    select
        r.oid,
        r.clause,
        pg_catalog.regexp_replace(
            pg_catalog.regexp_replace(
                pg_catalog.regexp_replace(
                    pg_catalog.regexp_replace(
                        pg_catalog.regexp_replace(
                            pg_catalog.regexp_replace(
                                pg_catalog.regexp_replace(
                                    nodes.tree, '[{]BOOLEXPR :boolop or :args \((?:[XFC] )*T(?: [XTFC])*\)[}]', 'T', 'g'
                                ),
                                '[{]BOOLEXPR :boolop and :args \((?:[XTC] )*F(?: [XTFC])*\)[}]', 'F', 'g'
                            ),
                            '[{]BOOLEXPR :boolop and :args \(T(?: T)*\)[}]', 'T', 'g'
                        ),
                        '[{]BOOLEXPR :boolop or :args \(F(?: F)*\)[}]', 'F', 'g'
                    ),
                    '[{]BOOLEXPR :boolop not :args \(F\)[}]', 'T', 'g'
                ),
                '[{]BOOLEXPR :boolop not :args \(T\)[}]', 'F', 'g'
            ),
            -- what no constant decides; anything else waits for the step that does
            '[{]BOOLEXPR :boolop '
            '(?:or :args \((?:F )*[XC](?: [XFC])*|and :args \((?:T )*[XC](?: [XTC])*|not :args \([XC])\)[}]',
            'X', 'g'
        ),
        r.step + 1
    from reduced as r
    cross join
        -- of what is no null; 0 to 5: IS TRUE, IS NOT TRUE, IS FALSE, IS NOT FALSE, IS UNKNOWN, IS NOT UNKNOWN
        lateral (
            select pg_catalog.regexp_replace(
                pg_catalog.regexp_replace(
                    r.tree,
                    '[{](?:BOOLEANTEST :arg (?:T :booltesttype [035]|F :booltesttype [125])'
                    '|NULLTEST :arg [TFC] :nulltesttype 1)\y[^{}]*[}]',
                    'T', 'g'
                ),
                '[{](?:BOOLEANTEST :arg [TF] :booltesttype \d|NULLTEST :arg [TFC] :nulltesttype 0)\y[^{}]*[}]',
                'F', 'g'
            ) as tree
        ) as tested
    cross join
        lateral (
            select pg_catalog.regexp_replace(
                pg_catalog.regexp_replace(
                    tested.tree,
                    '[{](?:OPEXPR|NULLTEST|BOOLEANTEST|RELABELTYPE) [^{}]*:args? \(?[TFC](?: [TFC])*[^XTFC{}]*[}]',
                    'C', 'g'
                ),
                '[{](?!BOOLEXPR )[^{}]*[}]', 'X', 'g'
            ) as tree
        ) as nodes
    where r.tree like '%{%' and r.step < 500
),

-- Whole numbers that are compared; what other constants come to is not computed here.
open as (
    select
        r.oid,
        pg_catalog.array_agg(r.clause order by r.clause) filter (where said.truth) as always_true,
        pg_catalog.bool_or(said.truth is null) as unclear
    from reduced as r
    inner join writing as w on r.oid = w.oid
    cross join lateral (
        values (case r.clause when 'using' then w.polqual::pg_catalog.text else w.polwithcheck::pg_catalog.text end)
    ) as clause (tree)
    left join lateral (
        select
            op.oprname,
            number.values[1] as one,
            number.values[2] as other
        from pg_catalog.regexp_match(clause.tree, '^[{]OPEXPR :opno (\d+) ') as called (oid)
        inner join pg_catalog.pg_operator as op on called.oid[1]::pg_catalog.oid = op.oid
        cross join lateral (
            select
                pg_catalog.array_agg(bytes.value order by found.place) as values,
                pg_catalog.count(*) as number
            from
                pg_catalog.regexp_matches(
                    clause.tree,
                    '[{]CONST :consttype (?:20|21|23) [^{}]*:constvalue (\d+) \[ ([-\d ]+) \][^{}]*[}]',
                    'g'
                ) with ordinality as found (parts, place)
            cross join lateral (
                -- the lowest first; the highest of the type's own has the sign, and behind it come zeros up to 64 bits
                select
                    pg_catalog.sum(
                        (
                            (byte.value::pg_catalog.int4 & 255)
                            - case when byte.place = own.bytes then 2 * (byte.value::pg_catalog.int4 & 128) else 0 end
                        ) * 256::pg_catalog.numeric ^ (byte.place - 1)
                    ) as value
                from (select found.parts[1]::pg_catalog.int4 as bytes) as own
                cross join
                    pg_catalog.unnest(pg_catalog.string_to_array(found.parts[2], ' ')) with ordinality
                        as byte (value, place)
                where byte.place <= own.bytes
            ) as bytes
        ) as number
        where
            number.number = 2
            and clause.tree ~ ':args \([{]CONST [^{}]*[}] [{]CONST [^{}]*[}]\)'
    ) as compared on r.tree = 'C'
    cross join lateral (
        select
            case
                when r.tree = 'T' then true
                when compared.oprname = '<' then compared.one < compared.other
                when compared.oprname = '<=' then compared.one <= compared.other
                when compared.oprname = '>' then compared.one > compared.other
                when compared.oprname = '>=' then compared.one >= compared.other
            end as truth
    ) as said
    where r.tree in ('T', 'C')
    group by r.oid
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
inner join pg_catalog.pg_class as c on w.polrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join open on w.oid = open.oid
cross join lateral (
    select
        case
            when w.polcmd = 'a' then w.polwithcheck is null
            else w.polqual is null and w.polwithcheck is null
        end as nothing
) as said
order by subject
