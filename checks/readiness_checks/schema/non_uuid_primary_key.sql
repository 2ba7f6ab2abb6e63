/*---
title: Every table is keyed by uuid, and so is what refers to it
subject: table
universe: tables with a primary key
priority: P0
effort: L
credit: ratio
spares_bookkeeping: true
why: |
  Keys that a sequence counts up can be guessed, tell how much business is done, collide as soon as two databases are
  merged or split, and must be fetched from the server before a row can be named. Worst is a mixture: a table with
  integer keys beside one with uuids, and somewhere code that takes one for the other. A table's own identity is a uuid
  here, and every foreign key that refers to the table goes by it.

  Composite keys: a table that joins others is keyed by what it joins, so its columns have to be uuids as theirs are;
  beside a uuid a plain number may tell rows apart (the lines of an order, the chunks of a document), unless it counts
  up by itself or refers to such a number. Natural keys, such as a country's code, a day or a hash, are healthy: the
  world gave them, nobody counts them up. The key of a table that holds one row by a CHECK (id = 1) is healthy too.

  Not natural, whoever counts: a number that a sequence counts up, that is called id or the id of a table that there is,
  or that refers to such a number; a text that its default makes up, or of a length that a uuid has (32, 36, 38). Of
  other numbers (a process's, an account's elsewhere), and of texts that are called an id, the catalog does not tell who
  made them up. They are unknown until the parameter natural_keys names the tables where the world did, as "shop.orders;
  shop.payments"; it takes nothing back that a sequence, a default or a foreign key shows.
mend: |
  Step by step, without a long lock: add a uuid column with gen_random_uuid() as default for new rows, fill the old
  ones in batches, add uuid columns to the referring tables and fill them by a join, change the code, then move the
  primary and foreign keys over and drop the old columns. A deliberate exception wants a waiver.
links:
  - https://www.postgresql.org/docs/current/datatype-uuid.html
  - https://www.postgresql.org/docs/current/functions-uuid.html
---*/
-- Tables without a primary key are another check's subject: schema/table-without-primary-key.
-- Domains: by the type below them. Partitions: the root stands for them. Number and text types go by their category,
-- which domains share.
with recursive uuids (type) as (
    select t.oid
    from pg_catalog.pg_type as t
    where t.oid = 'pg_catalog.uuid'::pg_catalog.regtype
    union all
    select d.oid
    from uuids
    inner join pg_catalog.pg_type as d on uuids.type = d.typbasetype and d.typtype = 'd'
),

keyed as materialized (
    select
        c.oid as relid,
        pk.conkey,
        c.reltuples,
        ns.oid as schemaid,
        pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
        -- Like the name of a column that holds its id, less plurals: order_categories, and order_category_id or so.
        pg_catalog.regexp_replace(pg_catalog.lower(c.relname::pg_catalog.text), 's?_|[eiys]+$', '', 'g') as stem,
        declared.tables <> ';;' -- none, as most say
        and pg_catalog.strpos(
            declared.tables,
            ';'
            || pg_catalog.regexp_replace(pg_catalog.format('%I.%I', ns.nspname, c.relname), '\s*;\s*', ';', 'g')
            || ';'
        ) > 0 as is_natural
    from pg_catalog.pg_constraint as pk
    inner join pg_catalog.pg_class as c on pk.conrelid = c.oid
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    cross join (
        select
            ';'
            || pg_catalog.regexp_replace(
                pg_catalog.btrim(coalesce(nullif(pg_catalog.current_setting('readiness.natural_keys', true), ''), '')),
                '\s*;\s*', ';', 'g'
            )
            || ';' as tables
    ) as declared
    where pk.contype = 'p' and not c.relispartition
),

-- Every column of a foreign key, from where to where.
reference as materialized (
    select
        fk.oid as constraint_oid,
        fk.conname,
        fk.conrelid as relid,
        k.attnum,
        fk.confrelid as referred,
        fk.confkey[k.place] as referred_attnum,
        att.atttypid in (select uuids.type from uuids) as is_uuid,
        t.typcategory = 'N' as is_number,
        coalesce(fk.confkey operator(pg_catalog.@>) keyed.conkey, false) as goes_by_primary_key
    from pg_catalog.pg_constraint as fk
    cross join lateral pg_catalog.unnest(fk.conkey) with ordinality as k (attnum, place)
    cross join lateral (
        select a.atttypid
        from pg_catalog.pg_attribute as a
        where fk.conrelid = a.attrelid and k.attnum = a.attnum
        -- a fence: looked up by both columns of the index, however many columns the planner takes a key to have
        offset 0 -- noqa: AM09
    ) as att
    inner join pg_catalog.pg_type as t on att.atttypid = t.oid
    left join keyed on fk.confrelid = keyed.relid
    where fk.contype = 'f' and fk.conparentid = 0
),

-- The foreign keys that refer to a table by a number, with no uuid in them, and whether one goes round its primary key.
by_number as (
    select
        numbered.referred,
        pg_catalog.bool_or(not numbered.goes_by_primary_key) as goes_round,
        pg_catalog.array_agg(
            pg_catalog.format('%I.%I:%I', ns.nspname, c.relname, numbered.conname)
            order by ns.nspname, c.relname, numbered.conname
        ) as names
    from (
        select
            r.relid,
            r.conname,
            r.referred,
            r.goes_by_primary_key
        from reference as r
        group by r.constraint_oid, r.relid, r.conname, r.referred, r.goes_by_primary_key
        having pg_catalog.bool_or(r.is_number) and not pg_catalog.bool_or(r.is_uuid)
    ) as numbered
    inner join pg_catalog.pg_class as c on numbered.relid = c.oid
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    group by numbered.referred
),

key_column as materialized (
    select
        keyed.relid,
        k.attnum,
        k.place,
        pg_catalog.format('%I %s', att.attname, pg_catalog.format_type(att.atttypid, att.atttypmod)) as shown,
        att.atttypid in (select uuids.type from uuids) as is_uuid, -- a join would be made for each row
        refers.relid is not null as refers,
        counted.yes as counts_up,
        case
            when t.typcategory not in ('N', 'S') then null
            when counted.yes then true
            when
                t.typcategory = 'S'
                -- A default that gives another value each time calls a volatile function, one that is a constant none.
                and exists (
                    select
                    from pg_catalog.regexp_matches(def.adbin::pg_catalog.text, ':funcid (\d+)', 'g') as called (oid)
                    inner join pg_catalog.pg_proc as p on called.oid[1]::pg_catalog.oid = p.oid
                    where p.provolatile = 'v'
                )
                then true
            when keyed.is_natural then null
            when t.typcategory = 'S'
                then
                    case
                        when length.of_text in (36, 38) then true
                        when
                            pg_catalog.lower(att.attname::pg_catalog.text) ~ '(^|_)(id|uuid|guid)$'
                            or att.attname ~ '[a-z0-9](Id|ID|Uuid|UUID|Guid|GUID)$'
                            then case when length.of_text = 32 then true when refers.relid is null then false end
                    end
            when refers.relid is not null then null
            else
                named.word in ('id', 'n', 'no', 'nr', 'num', 'number', 'seq', 'pk', 'key', 'rowid')
                or (
                    coalesce(pg_catalog.length(named.stem) > 2, false)
                    and (
                        pg_catalog.right(keyed.stem, pg_catalog.length(named.stem)) = named.stem
                        or named.stem in (select other.stem from keyed as other)
                        or referred.relid is not null
                    )
                )
        end as is_made_up
    from keyed
    cross join lateral pg_catalog.unnest(keyed.conkey) with ordinality as k (attnum, place)
    cross join lateral (
        select a.*
        from pg_catalog.pg_attribute as a
        where keyed.relid = a.attrelid and k.attnum = a.attnum
        offset 0 -- noqa: AM09
    ) as att
    inner join pg_catalog.pg_type as t on att.atttypid = t.oid
    left join pg_catalog.pg_attrdef as def on att.attrelid = def.adrelid and att.attnum = def.adnum
    left join (
        select distinct
            r.relid,
            r.attnum
        from reference as r
    ) as refers on keyed.relid = refers.relid and k.attnum = refers.attnum
    left join (
        select distinct
            r.referred as relid,
            r.referred_attnum as attnum
        from reference as r
    ) as referred on keyed.relid = referred.relid and k.attnum = referred.attnum
    cross join lateral (
        -- nextval(regclass) is function 1574 on every version; pg_get_expr() would wait behind DDL
        select
            att.attidentity <> ''
            or coalesce(pg_catalog.strpos(def.adbin::pg_catalog.text, ':funcid 1574 ') > 0, false) as yes
    ) as counted
    cross join lateral (
        select coalesce(nullif(att.atttypmod, -1), t.typtypmod) - 4 as of_text
    ) as length
    cross join lateral (
        select
            pg_catalog.lower(att.attname::pg_catalog.text) as word,
            -- Null where it isn't called the id of something.
            pg_catalog.regexp_replace(
                pg_catalog.substring(
                    pg_catalog.lower(att.attname::pg_catalog.text), '^(.*?)_?(?:id|no|nr|num|number|key)$'
                ),
                's?_|[eiys]+$', '', 'g'
            ) as stem
    ) as named
),

-- A column whose values are made up (true), or whose nature isn't known (false); what refers to it shares that.
-- A number that refers to something else than a key goes by a number where the key is another.
nature as (
    select
        k.relid,
        k.attnum,
        k.is_made_up
    from key_column as k
    where
        k.is_made_up is not null
        and not exists (
            -- CHECK (column = constant), as the parser stores it: one row, which the key doesn't tell from others.
            select
            from pg_catalog.pg_constraint as con
            inner join pg_catalog.pg_operator as op
                on pg_catalog.substring(con.conbin::pg_catalog.text, '^[{]OPEXPR :opno (\d+) ')::pg_catalog.oid = op.oid
            where
                con.conrelid = k.relid
                and con.contype = 'c'
                and con.conkey = array[k.attnum]
                and pg_catalog.starts_with(con.conbin::pg_catalog.text, '{OPEXPR ') -- few do; patterns are dear
                and op.oprname = '='
                and con.conbin::pg_catalog.text ~ (
                    '^[{]OPEXPR [^{]*[(]([{]VAR [^{}]*[}] [{]CONST |[{]CONST [^{}]*[}] [{]VAR )'
                )
        )
    union
    select
        r.relid,
        r.attnum,
        true as is_made_up
    from reference as r
    left join key_column as k on r.referred = k.relid and r.referred_attnum = k.attnum
    where r.is_number and k.relid is null
    union
    select
        r.relid,
        r.attnum,
        n.is_made_up
    from nature as n
    inner join reference as r on n.relid = r.referred and n.attnum = r.referred_attnum
),

primary_key as (
    select
        k.relid,
        pg_catalog.string_agg(k.shown, ', ' order by k.place) as columns,
        pg_catalog.bool_and(k.is_uuid) as all_uuid,
        pg_catalog.bool_or(k.counts_up) as counts_up,
        case
            when pg_catalog.bool_or(k.is_uuid)
                then not coalesce(pg_catalog.bool_or(n.is_made_up and (k.counts_up or k.refers)), false)
            when pg_catalog.bool_or(n.is_made_up) then false
            when pg_catalog.count(n.relid) = 0 then true
        end as is_fine
    from key_column as k
    left join (
        select
            nature.relid,
            nature.attnum,
            pg_catalog.bool_or(nature.is_made_up) as is_made_up
        from nature
        group by nature.relid, nature.attnum
    ) as n on k.relid = n.relid and k.attnum = n.attnum
    group by k.relid
)

select
    keyed.subject,
    keyed.relid as objid,
    keyed.schemaid,
    case when by_number.goes_round then false else pk.is_fine end as ok,
    'not_configured' as unseen,
    'in the policy, by the parameter natural_keys of schema/non-uuid-primary-key: the tables whose keys the world made'
        as unlock,
    pk.columns as primary_key,
    case
        when pk.all_uuid then 'uuid'
        when pk.is_fine then 'natural'
        when pk.counts_up then 'counted'
        when pk.is_fine is null then 'not declared'
        else 'other'
    end as key_kind,
    coalesce(by_number.names, '{}'::pg_catalog.text[]) as referred_to_by_number,
    nullif(keyed.reltuples::pg_catalog.int8, -1) as estimated_rows
from primary_key as pk
inner join keyed on pk.relid = keyed.relid
left join by_number on pk.relid = by_number.referred
order by subject
