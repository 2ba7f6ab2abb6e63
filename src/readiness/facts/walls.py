"""What stands between the tenants of the declared tables: policies, owners, rights, and the views and functions around."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from readiness.facts.catalog import TenantTables, shown
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target
from readiness.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view or materialized view that reads the table, directly or through others.

    Args:
        exempt: it, or one that it reads through, reads with the rights of somebody whom the table's policies don't bind.
        takes: what can be written through it: `insert`, `update`, `delete`.
        checked: it has a check option: what is written must be seen in it.
        instead: triggers of its own do the writing.
    """

    oid: int
    quoted: str
    columns: tuple[str, ...]
    exempt: bool
    takes: tuple[str, ...]
    checked: bool
    instead: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Definer:
    """A SECURITY DEFINER function whose body names the table, what reads it, or a function that does.

    Args:
        call: its quoted name.
        arguments: the types of the arguments that have no default.
        tells: whether its result can show a row's content (it is neither a truth value nor nothing at all).
        writes: whether it may change rows, by the words of its body; a trigger's function can't be called.
        named: whether its body names the table at all; else it runs text put together when it is called, as somebody whom
            the policies don't bind.
    """

    oid: int
    quoted: str
    call: str
    arguments: tuple[str, ...]
    tells: bool
    writes: bool
    named: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Detour:
    """Another relation that can be written to, and what then writes into the table as somebody the policies don't bind.

    Args:
        by: `rule r` or `trigger t`.
        rights: what of insert, update and delete sets it off.
    """

    oid: int
    quoted: str
    by: str
    rights: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A partition or a table that inherits: whoever names it itself meets its own policies, not the table's.

    Args:
        walled: its own row level security is on.
    """

    oid: int
    quoted: str
    walled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """One tenant table, as it is.

    Args:
        sha256: of all that decides who sees which row: a proof counts for the wall that it was made with.
        parts: those below it on which one of the application's roles has a right of its own.
    """

    oid: int
    quoted: str
    sha256: str
    views: tuple[View, ...]
    definers: tuple[Definer, ...]
    parts: tuple[Part, ...]
    detours: tuple[Detour, ...]


@dataclass(frozen=True, slots=True)
class TenantWalls:
    """Declared tenant table (quoted) -> its wall; None where there is no such table."""

    by_table: Mapping[str, Wall | None]

    @classmethod
    def take(cls, postgres: Postgres, target: Target, tenants: TenantTables) -> Self:
        names = [list(part) for part in zip(*tenants.names, strict=True)] or [[], []]
        roles = application_roles(target.profile)
        rows = postgres.rows(_WALLS, (*names, list(roles)), marker="tenant-walls") if tenants.names else []
        own = target.profile.row_security
        declared = repr((own.column, own.columns, own.owners, own.settings))
        found = {shown(row["schema"], row["name"]): _wall(row, declared) for row in rows}
        return cls({(table := shown(*name)): found.get(table) for name in tenants.names})


def application_roles(profile: Profile) -> tuple[str, ...]:
    """The roles that the policies must bind, as the profile says it."""
    named = profile.row_security.roles or [s.role for s in profile.services.values() if s.role]
    return tuple(dict.fromkeys(named))


def _wall(row: Mapping[str, Any], declared: str) -> Wall:
    return Wall(
        oid=row["oid"],
        quoted=row["quoted"],
        sha256=hashlib.sha256(f"{row['stands']}/{declared}".encode()).hexdigest()[:16],
        views=tuple(
            View(**{**v, "columns": tuple(v["columns"]), "takes": tuple(v["takes"])}) for v in json.loads(row["views"])
        ),
        definers=tuple(Definer(**{**f, "arguments": tuple(f["arguments"])}) for f in json.loads(row["definers"])),
        parts=tuple(Part(**p) for p in json.loads(row["parts"])),
        detours=tuple(Detour(**{**d, "rights": tuple(d["rights"])}) for d in json.loads(row["detours"])),
    )


# A view reads its tables as its owner, unless it is its reader's (security_invoker); a materialized view holds what its
# owner saw. Functions are told by the words of their text, where the server keeps no dependency, and by whom they call.
_WALLS = """
with recursive declared as (
    select
        c.oid, c.relowner, c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relacl, ns.nspname
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    inner join rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) as d (schema, name)
        on ns.nspname = d.schema and c.relname = d.name
    where c.relkind in ('r', 'p')
),
unbound as (
    -- Whom the policies of a table don't bind.
    select d.oid as table_oid, r.oid as role_oid
    from declared as d
    inner join pg_catalog.pg_roles as r
        on r.rolsuper or r.rolbypassrls or not d.relforcerowsecurity and pg_catalog.pg_has_role(r.oid, d.relowner, 'usage')
),
reads (table_oid, reader, exempt) as (
    select
        d.oid, v.oid,
        v.relkind = 'm' or not v.invoker
        and exists (select from unbound as u where u.table_oid = d.oid and u.role_oid = v.relowner)
    from declared as d
    inner join pg_catalog.pg_depend as x
        on x.refobjid = d.oid and x.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and x.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    inner join pg_catalog.pg_rewrite as rule on x.objid = rule.oid and rule.ev_class <> d.oid and rule.ev_type = '1'
    inner join (
        select
            c.oid, c.relkind, c.relowner, exists (
                select from pg_catalog.unnest(c.reloptions) as s (setting)
                where s.setting like 'security\\_invoker=%'
                    and pg_catalog.split_part(s.setting, '=', 2)::pg_catalog.bool
            ) as invoker
        from pg_catalog.pg_class as c
    ) as v on rule.ev_class = v.oid
    union
    select r.table_oid, rule.ev_class, r.exempt or v.relkind = 'm'
    from reads as r
    inner join pg_catalog.pg_depend as x
        on x.refobjid = r.reader and x.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and x.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    inner join pg_catalog.pg_rewrite as rule on x.objid = rule.oid and rule.ev_class <> r.reader and rule.ev_type = '1'
    inner join pg_catalog.pg_class as v on rule.ev_class = v.oid
),
views as (
    select
        v.table_oid,
        pg_catalog.json_agg(
            pg_catalog.json_build_object(
                'oid', c.oid::pg_catalog.int8, 'quoted', pg_catalog.format('%I.%I', ns.nspname, c.relname),
                'columns', array(
                    select a.attname::text from pg_catalog.pg_attribute as a
                    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum
                ),
                'exempt', v.exempt,
                'takes', array(
                    select e.command
                    from (values ('insert', 8), ('update', 4), ('delete', 16)) as e (command, bit)
                    where c.relkind = 'v' and pg_catalog.pg_relation_is_updatable(c.oid, true) & e.bit <> 0
                ),
                'checked', exists (
                    select from pg_catalog.unnest(c.reloptions) as s (setting) where s.setting like 'check\\_option=%'
                ),
                'instead', exists (
                    select from pg_catalog.pg_trigger as t where t.tgrelid = c.oid and t.tgtype & 64 <> 0
                )
            ) order by ns.nspname, c.relname
        ) as found,
        pg_catalog.string_agg(
            pg_catalog.concat_ws(
                '|', ns.nspname, c.relname, o.rolname, o.rolsuper, o.rolbypassrls, c.reloptions, c.relacl,
                pg_catalog.md5(pg_catalog.pg_get_viewdef(c.oid))
            ), ';' order by ns.nspname, c.relname
        ) as stands
    from (
        select r.table_oid, r.reader, pg_catalog.bool_or(r.exempt) as exempt from reads as r group by r.table_oid, r.reader
    ) as v
    inner join pg_catalog.pg_class as c on v.reader = c.oid and c.relkind in ('v', 'm')
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    inner join pg_catalog.pg_roles as o on c.relowner = o.oid
    group by v.table_oid
),
below (table_oid, part) as (
    select d.oid, i.inhrelid
    from declared as d
    inner join pg_catalog.pg_inherits as i on d.oid = i.inhparent
    union
    select b.table_oid, i.inhrelid
    from below as b
    inner join pg_catalog.pg_inherits as i on b.part = i.inhparent
),
functions as materialized (
    select p.oid, p.proname, p.prosecdef, p.proowner, l.lanname, t.source
    from pg_catalog.pg_proc as p
    inner join pg_catalog.pg_language as l on p.prolang = l.oid and l.lanname not in ('c', 'internal')
    inner join pg_catalog.pg_namespace as ns on p.pronamespace = ns.oid and ns.nspname !~ '^(pg_|information_schema$)'
    cross join lateral (
        select pg_catalog.lower(coalesce(nullif(p.prosrc, ''), pg_catalog.pg_get_functiondef(p.oid))) as source
    ) as t
    where
        p.prokind in ('f', 'p')
        and exists (select from declared)
        and not exists (
            select from pg_catalog.pg_depend as x
            where x.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and x.objid = p.oid and x.deptype = 'e'
        )
),
words as materialized (
    -- Each word of a function's text; those before a parenthesis with it.
    select f.oid, pg_catalog.rtrim(w.word, '(') as word, pg_catalog.right(w.word, 1) = '(' as called
    from functions as f
    cross join lateral (
        select distinct pg_catalog.unnest(
            pg_catalog.string_to_array(
                pg_catalog.regexp_replace(
                    pg_catalog.regexp_replace(f.source, '"?\\s*\\(', '( ', 'g'), '[^\\w$(]+', ' ', 'g'
                ), ' '
            )
        ) as word
    ) as w
),
calls as materialized (
    select distinct w.oid as caller, f.oid as called
    from words as w
    inner join functions as f on w.word = pg_catalog.lower(f.proname::text) and w.oid <> f.oid
    where w.called
),
sources (table_oid, relname) as (
    -- What a text may name to reach the table: itself, what reads it, what is below it.
    select d.oid, pg_catalog.lower(d.relname::text) from declared as d
    union
    select r.table_oid, pg_catalog.lower(c.relname::text)
    from reads as r
    inner join pg_catalog.pg_class as c on r.reader = c.oid
    union
    select b.table_oid, pg_catalog.lower(c.relname::text)
    from below as b
    inner join pg_catalog.pg_class as c on b.part = c.oid
),
named as (
    select n.table_oid, n.oid
    from (
        select s.table_oid, w.oid
        from sources as s
        inner join words as w on s.relname = w.word
        union
        select s.table_oid, f.oid
        from sources as s
        inner join functions as f on s.relname ~ '[^\\w$]' and pg_catalog.strpos(f.source, s.relname) > 0
    ) as n
    union
    select n.table_oid, c.caller
    from named as n
    inner join calls as c on n.oid = c.called
),
definers as (
    select
        f.table_oid,
        pg_catalog.json_agg(
            pg_catalog.json_build_object(
                'oid', p.oid::pg_catalog.int8,
                'quoted', pg_catalog.format(
                    '%I.%I(%s)', ns.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)
                ),
                'call', pg_catalog.format('%I.%I', ns.nspname, p.proname),
                'arguments', array(
                    select pg_catalog.format_type(a.type, null)
                    from pg_catalog.unnest(p.proargtypes::pg_catalog.oid[]) with ordinality as a (type, at)
                    where a.at <= p.pronargs - p.pronargdefaults order by a.at
                ),
                'tells', p.prorettype not in (
                    'pg_catalog.bool'::pg_catalog.regtype, 'pg_catalog.void'::pg_catalog.regtype,
                    'pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype
                ),
                'writes', f.source ~ '\\m(insert|update|delete|merge|truncate|execute)\\M',
                'named', f.named
            ) order by ns.nspname, p.proname, p.oid
        ) filter (
            where p.prorettype not in (
                'pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype
            )
        ) as found,
        pg_catalog.string_agg(
            pg_catalog.concat_ws(
                '|', ns.nspname, p.proname, o.rolname, o.rolsuper, o.rolbypassrls, p.proacl,
                pg_catalog.md5(pg_catalog.pg_get_functiondef(p.oid))
            ), ';' order by ns.nspname, p.proname, p.proargtypes::text
        ) as stands
    from (
        select n.table_oid, f.oid, f.source, f.proowner, true as named
        from named as n
        inner join functions as f on n.oid = f.oid and f.prosecdef
        union all
        select u.table_oid, f.oid, f.source, f.proowner, false as named
        from functions as f
        inner join unbound as u on f.proowner = u.role_oid
        where
            f.prosecdef and f.lanname <> 'sql'
            and f.source ~ '\\mexecute\\M(?!\\s+(function|procedure|on)\\M)'
            and not exists (select from named as n where n.table_oid = u.table_oid and n.oid = f.oid)
    ) as f
    inner join pg_catalog.pg_proc as p on f.oid = p.oid
    inner join pg_catalog.pg_namespace as ns on p.pronamespace = ns.oid
    inner join pg_catalog.pg_roles as o on p.proowner = o.oid
    group by f.table_oid
),
deciding (table_oid, oid) as (
    -- What the policies ask.
    select d.oid, x.refobjid
    from declared as d
    inner join pg_catalog.pg_policy as p on d.oid = p.polrelid
    inner join pg_catalog.pg_depend as x
        on x.objid = p.oid and x.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
        and x.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
    union
    select e.table_oid, c.called
    from deciding as e
    inner join calls as c on e.oid = c.caller
),
detours as (
    select
        w.table_oid,
        pg_catalog.json_agg(
            pg_catalog.json_build_object(
                'oid', c.oid::pg_catalog.int8, 'quoted', pg_catalog.format('%I.%I', ns.nspname, c.relname),
                'by', w.by, 'rights', w.rights
            ) order by ns.nspname, c.relname, w.by
        ) as found,
        pg_catalog.string_agg(
            pg_catalog.concat_ws('|', ns.nspname, c.relname, c.relacl, w.by, w.stands),
            ';' order by ns.nspname, c.relname, w.by
        ) as stands
    from (
        select
            d.oid as table_oid, rule.ev_class as relation, 'rule ' || pg_catalog.quote_ident(rule.rulename) as by,
            array[case rule.ev_type when '2' then 'update' when '3' then 'insert' else 'delete' end] as rights,
            pg_catalog.md5(pg_catalog.pg_get_ruledef(rule.oid)) as stands
        from declared as d
        inner join pg_catalog.pg_depend as x
            on x.refobjid = d.oid and x.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
            and x.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        inner join pg_catalog.pg_rewrite as rule on x.objid = rule.oid and rule.ev_type <> '1' and rule.ev_enabled <> 'D'
        inner join pg_catalog.pg_class as c on rule.ev_class = c.oid
        inner join unbound as u on d.oid = u.table_oid and c.relowner = u.role_oid
        group by d.oid, rule.oid, rule.ev_class, rule.rulename, rule.ev_type
        union all
        select
            n.table_oid, t.tgrelid, 'trigger ' || pg_catalog.quote_ident(t.tgname),
            array(
                select e.command
                from (values ('insert', 4), ('update', 16), ('delete', 8)) as e (command, bit)
                where t.tgtype & e.bit <> 0
            ),
            pg_catalog.md5(f.source)
        from named as n
        inner join functions as f
            on n.oid = f.oid and f.prosecdef and f.source ~ '\\m(insert|update|delete|merge|truncate|execute)\\M'
        inner join unbound as u on n.table_oid = u.table_oid and f.proowner = u.role_oid
        inner join pg_catalog.pg_trigger as t on f.oid = t.tgfoid and not t.tgisinternal and t.tgenabled <> 'D'
    ) as w
    inner join pg_catalog.pg_class as c on w.relation = c.oid
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    -- What comes through another wall came as far as that let it; a view's are the view's to try.
    where
        w.relation not in (select d.oid from declared as d) and w.relation not in (select b.part from below as b)
        and w.relation not in (select r.reader from reads as r where r.table_oid = w.table_oid)
    group by w.table_oid
),
parts as (
    select
        b.table_oid,
        pg_catalog.json_agg(
            pg_catalog.json_build_object(
                'oid', c.oid::pg_catalog.int8, 'quoted', pg_catalog.format('%I.%I', ns.nspname, c.relname),
                'walled', c.relrowsecurity
            ) order by ns.nspname, c.relname
        ) as found,
        -- Without its name: one more of the same kind changes nothing.
        pg_catalog.string_agg(
            distinct pg_catalog.concat_ws(
                '|', c.relrowsecurity, c.relforcerowsecurity, pg_catalog.pg_get_userbyid(c.relowner), c.relacl::text,
                (
                    select pg_catalog.string_agg(
                        pg_catalog.concat_ws(
                            '|', p.polname, p.polcmd, p.polpermissive, p.polroles::text,
                            pg_catalog.pg_get_expr(p.polqual, p.polrelid),
                            pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
                        ), ';' order by p.polname
                    )
                    from pg_catalog.pg_policy as p where p.polrelid = c.oid
                )
            ), ';'
        ) as stands
    from below as b
    inner join pg_catalog.pg_class as c on b.part = c.oid and c.relkind in ('r', 'p')
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    where
        exists (
            select from pg_catalog.pg_roles as r
            where r.rolname = any ($3::text[]) and (
                pg_catalog.has_any_column_privilege(r.oid, c.oid, 'select, insert, update')
                or pg_catalog.has_table_privilege(r.oid, c.oid, 'delete, truncate')
            )
        )
    group by b.table_oid
)
select
    d.oid::pg_catalog.int8 as oid,
    d.nspname::text as schema,
    d.relname::text as name,
    pg_catalog.format('%I.%I', d.nspname, d.relname) as quoted,
    coalesce(v.found, '[]') as views,
    coalesce(f.found, '[]') as definers,
    coalesce(s.found, '[]') as parts,
    coalesce(w.found, '[]') as detours,
    pg_catalog.concat_ws(
        '/', d.relrowsecurity, d.relforcerowsecurity, pg_catalog.pg_get_userbyid(d.relowner), d.relacl::text,
        (
            select pg_catalog.string_agg(
                pg_catalog.concat_ws(
                    '|', p.polname, p.polcmd, p.polpermissive,
                    array(
                        select coalesce(r.rolname::text, 'public')
                        from pg_catalog.unnest(p.polroles) as x (oid)
                        left join pg_catalog.pg_roles as r on x.oid = r.oid order by 1
                    ),
                    pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
                ), ';' order by p.polname
            )
            from pg_catalog.pg_policy as p where p.polrelid = d.oid
        ),
        (
            select pg_catalog.string_agg(
                pg_catalog.concat_ws('|', p.pronamespace::pg_catalog.regnamespace, p.proname, p.prosecdef, p.prosrc), ';'
                order by p.pronamespace::pg_catalog.regnamespace::text, p.proname, p.proargtypes::text
            )
            from deciding as e
            inner join pg_catalog.pg_proc as p on e.oid = p.oid
            where e.table_oid = d.oid
        ),
        (
            select pg_catalog.string_agg(
                pg_catalog.concat_ws('|', t.tgenabled, pg_catalog.pg_get_triggerdef(t.oid), p.prosecdef, p.prosrc), ';'
                order by t.tgname
            )
            from pg_catalog.pg_trigger as t
            inner join pg_catalog.pg_proc as p on t.tgfoid = p.oid
            where t.tgrelid = d.oid and not t.tgisinternal
        ),
        (
            select pg_catalog.string_agg(pg_catalog.concat_ws('|', a.attname, a.attacl::text), ';' order by a.attnum)
            from pg_catalog.pg_attribute as a where a.attrelid = d.oid and a.attacl is not null
        ),
        v.stands, f.stands, s.stands, w.stands,
        (
            select pg_catalog.string_agg(
                pg_catalog.concat_ws(
                    '|', r.rolname, r.rolsuper, r.rolbypassrls,
                    array(
                        select g.rolname::text from pg_catalog.pg_roles as g
                        where g.oid <> r.oid and not r.rolsuper and pg_catalog.pg_has_role(r.oid, g.oid, 'member') order by 1
                    ),
                    (
                        select pg_catalog.string_agg(g.setconfig::text, ';' order by g.setrole, g.setdatabase)
                        from pg_catalog.pg_db_role_setting as g
                        inner join pg_catalog.pg_database as b on b.datname = pg_catalog.current_database()
                        where g.setrole in (0, r.oid) and g.setdatabase in (0, b.oid)
                    )
                ), ';' order by r.rolname
            )
            from pg_catalog.pg_roles as r where r.rolname = any ($3::text[])
        )
    ) as stands
from declared as d
left join views as v on d.oid = v.table_oid
left join definers as f on d.oid = f.table_oid
left join parts as s on d.oid = s.table_oid
left join detours as w on d.oid = w.table_oid
order by d.nspname, d.relname
"""
