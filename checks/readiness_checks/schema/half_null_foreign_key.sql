/*---
title: A composite foreign key refers with all of its columns or with none
subject: constraint
universe: composite foreign keys
priority: P1
effort: S
credit: ratio
why: |
  By default (MATCH SIMPLE) a foreign key with one column null is not checked at all: the other columns may then hold
  what they like. An order of tenant 7 for customer null is an orphan that the database promised not to let in.
mend: |
  Make the columns NOT NULL; or where the reference is optional, let a CHECK say that all are null or none is, which the
  remedy does. Rows that break it must be mended before it is validated.
links:
  - https://www.postgresql.org/docs/current/sql-createtable.html#SQL-CREATETABLE-PARMS-REFERENCES
---*/
-- Safe: MATCH FULL; one nullable column at most, beside NOT NULL ones (a tenant's, say): null there means that the row
-- refers to nothing; or CHECKs that let no half through: whichever of the columns are null and others not, one of them
-- is false. Conditions are read as the parser stores them, since pg_get_constraintdef() would wait behind DDL, and
-- reduced from their leaves upwards for each such half: #N null, #V a column that isn't, #T true, #F false, #2 a
-- number, #X what hangs on values, #U what isn't computed here.
with recursive keys as materialized (
    select
        fk.oid,
        fk.conrelid,
        fk.conname,
        fk.confmatchtype,
        nullable.columns,
        nullable.attnums,
        coalesce(pg_catalog.cardinality(nullable.attnums), 0) as number
    from pg_catalog.pg_constraint as fk
    cross join lateral (
        select
            pg_catalog.string_agg(pg_catalog.quote_ident(att.attname), ', ' order by att.attnum) as columns,
            pg_catalog.array_agg(att.attnum order by att.attnum) as attnums
        from pg_catalog.pg_attribute as att
        where att.attrelid = fk.conrelid and att.attnum = any (fk.conkey) and not att.attnotnull
    ) as nullable
    where
        fk.contype = 'f'
        and fk.conparentid = 0
        and pg_catalog.cardinality(fk.conkey) > 1
),

-- of more columns than six: one is null, or one is not
halves as materialized (
    select
        k.oid,
        half.number,
        k.conrelid,
        k.attnums,
        array(
            select k.attnums[place]
            from pg_catalog.generate_series(1, k.number) as place
            where half.number >> (place::pg_catalog.int4 - 1) & 1 = 1
        ) as nulls
    from keys as k
    cross join lateral (
        select every.number
        from pg_catalog.generate_series(1::pg_catalog.int8, (1 << least(k.number, 6)) - 2) as every (number)
        where k.number <= 6
        union all
        select alone.number
        from pg_catalog.generate_series(0, k.number - 1) as place
        cross join lateral (
            values (1::pg_catalog.int8 << place), ((1::pg_catalog.int8 << k.number) - 1 - (1::pg_catalog.int8 << place))
        ) as alone (number)
        where k.number > 6
    ) as half
    where k.confmatchtype = 's' and k.number > 1
),

reduced (oid, half, attnums, nulls, tree, step) as (
    select
        h.oid,
        h.number,
        h.attnums,
        h.nulls,
        -- names may hold anything, escaped
        pg_catalog.regexp_replace(con.conbin::pg_catalog.text, '\\.|#', '', 'g'),
        0
    from halves as h
    inner join pg_catalog.pg_constraint as con on h.conrelid = con.conrelid
    where
        con.contype = 'c'
        and con.conkey operator(pg_catalog.&&) h.attnums
        -- told only from 18 on
        and (con.convalidated or pg_catalog.to_jsonb(con) ->> 'conenforced' is distinct from 'false')
    union all
    select
        r.oid,
        r.half,
        r.attnums,
        r.nulls,
        next.tree,
        r.step + 1
    from reduced as r
    cross join lateral (
        select
            pg_catalog.string_agg(
                case
                    when piece.place = 1 then ''
                    when node.body is null then '{' || piece.text
                    else '#' || word.said || pg_catalog.substr(piece.text, pg_catalog.length(node.body) + 2)
                end,
                '' order by piece.place
            ) as tree
        from pg_catalog.unnest(pg_catalog.string_to_array(r.tree, '{')) with ordinality as piece (text, place)
        cross join lateral (
            select case when piece.text like '%}%' then pg_catalog.split_part(piece.text, '}', 1) end as body
        ) as node
        cross join lateral (
            select
                pg_catalog.split_part(node.body, ' ', 1) as kind,
                array(
                    select found.word[1]
                    from pg_catalog.regexp_matches(node.body, '#([^ ()]+)', 'g') as found (word)
                ) as words
        ) as its
        cross join lateral (
            select
                case
                    when its.kind = 'VAR'
                        then case
                            when
                                pg_catalog.substring(node.body, ':varattno (-?\d+)')::pg_catalog.int2 = any (r.nulls)
                                then 'N'
                            when
                                pg_catalog.substring(node.body, ':varattno (-?\d+)')::pg_catalog.int2 = any (r.attnums)
                                then 'V'
                            else 'X'
                        end
                    when its.kind = 'CONST'
                        then case
                            when node.body like '%:constisnull true%' then 'N'
                            when node.body ~ ':consttype 16 .*\[ 1 ' then 'T'
                            when node.body ~ ':consttype 16 .*\[ 0 ' then 'F'
                            when
                                node.body ~ ':consttype 23 .*\[ \d+ 0 0 0 '
                                then pg_catalog.substring(node.body, '\[ (\d+) ')
                            else 'V'
                        end
                    when its.kind = 'NULLTEST' and node.body like '%:argisrow false%'
                        then case
                            when its.words[1] in ('X', 'U') then its.words[1]
                            when (its.words[1] = 'N') = (node.body like '%:nulltesttype 0%') then 'T'
                            else 'F'
                        end
                    when its.kind = 'BOOLEXPR'
                        then case
                            when node.body like '%:boolop and %'
                                then case
                                    when 'F' = any (its.words) then 'F'
                                    when 'T' = all (its.words) then 'T'
                                    when 'U' = any (its.words) then 'U'
                                    else 'X'
                                end
                            when node.body like '%:boolop or %'
                                then case
                                    when 'T' = any (its.words) then 'T'
                                    when 'F' = all (its.words) then 'F'
                                    when 'U' = any (its.words) then 'U'
                                    else 'X'
                                end
                            else case its.words[1] when 'T' then 'F' when 'F' then 'T' when 'U' then 'U' else 'X' end
                        end
                    -- num_nulls() and num_nonnulls()
                    when node.body ~ ':funcid (438|440) .*:funcvariadic false'
                        then case
                            when its.words && array['X', 'U'] then 'U'
                            else (
                                select
                                    pg_catalog.count(*) filter (
                                        where (a.word = 'N') = (node.body like '%:funcid 438 %')
                                    )::pg_catalog.text
                                from pg_catalog.unnest(its.words) as a (word)
                            )
                        end
                    -- of a truth, 1 or 0
                    when its.kind = 'FUNCEXPR' and node.body like '%:funcid 2558 %'
                        then case its.words[1] when 'T' then '1' when 'F' then '0' else its.words[1] end
                    when its.kind = 'RELABELTYPE' then its.words[1]
                    when its.kind = 'OPEXPR' and pg_catalog.cardinality(its.words) = 2
                        then (
                            select
                                case
                                    when 'U' = any (its.words) then 'U'
                                    when 'N' = any (its.words) then 'N'
                                    when its.words && array['X', 'V'] then 'X'
                                    when op.oprname = '+' and pair.numbers
                                        then
                                            (
                                                its.words[1]::pg_catalog.int4 + its.words[2]::pg_catalog.int4
                                            )::pg_catalog.text
                                    when
                                        op.oprname = '='
                                        then case when its.words[1] = its.words[2] then 'T' else 'F' end
                                    when
                                        op.oprname = '<>'
                                        then case when its.words[1] = its.words[2] then 'F' else 'T' end
                                    when not pair.numbers then 'U'
                                    when op.oprname in ('<', '<=', '>', '>=')
                                        then case
                                            when
                                                case pg_catalog.sign(
                                                    its.words[1]::pg_catalog.float8 - its.words[2]::pg_catalog.float8
                                                )
                                                    when -1 then op.oprname in ('<', '<=')
                                                    when 0 then op.oprname in ('<=', '>=')
                                                    else op.oprname in ('>', '>=')
                                                end
                                                then 'T'
                                            else 'F'
                                        end
                                    else 'U'
                                end
                            from (
                                select its.words[1] ~ '^\d' and its.words[2] ~ '^\d' as numbers
                            ) as pair
                            inner join pg_catalog.pg_operator as op
                                on op.oid = pg_catalog.substring(node.body, ':opno (\d+)')::pg_catalog.oid
                        )
                    -- the words of a list, behind one another
                    when its.kind in ('ARRAY', 'ARRAYEXPR') and node.body ~ ':elements \(#\d+(?: #\d+)*\)'
                        then pg_catalog.array_to_string(its.words, ',') || ','
                    when
                        its.kind = 'SCALARARRAYOPEXPR' and node.body like '%:useOr true %'
                        and its.words[1] ~ '^\d+$' and its.words[2] like '%,'
                        then case
                            when its.words[1] = any (pg_catalog.string_to_array(its.words[2], ',')) then 'T' else 'F'
                        end
                    when its.kind in ('OPEXPR', 'SCALARARRAYOPEXPR') and its.words && array['X', 'V', 'N'] then 'X'
                    else 'U'
                end as said
        ) as word
    ) as next
    where r.tree like '%{%' and r.step < 100
),

-- of each half, the best that a CHECK says of it; a key's worst half counts
let_through as (
    select
        each.oid,
        pg_catalog.bool_or(not each.refused and not each.unclear) as by_all,
        pg_catalog.bool_or(not each.refused) as perhaps
    from (
        select
            h.oid,
            coalesce(pg_catalog.bool_or(r.tree = '#F'), false) as refused,
            coalesce(pg_catalog.bool_or(r.tree = '#U' or r.step = 100), false) as unclear
        from halves as h
        left join reduced as r on h.oid = r.oid and h.number = r.half and (r.tree not like '%{%' or r.step = 100)
        group by h.oid, h.number
    ) as each
    group by each.oid
)

select
    pg_catalog.format('%I.%I:%I', ns.nspname, c.relname, k.conname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    case
        when k.confmatchtype <> 's' or k.number < 2 then true
        when l.by_all then false
        when not l.perhaps then true
    end as ok,
    'not_observable' as unseen,
    'a CHECK with num_nulls() or IS NULL tests, joined by AND, OR and =' as unlock,
    case
        when k.number > 1
            then pg_catalog.format(
                E'alter table %1$I.%2$I add constraint %3$I '
                'check (pg_catalog.num_nulls(%4$s) in (0, %5$s)) not valid;\n'
                'alter table %1$I.%2$I validate constraint %3$I;',
                ns.nspname,
                c.relname,
                'readiness_all_or_none_' || k.oid,
                k.columns,
                k.number
            )
    end as remedy,
    k.columns as nullable_columns
from keys as k
inner join pg_catalog.pg_class as c on k.conrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join let_through as l on k.oid = l.oid
order by subject
