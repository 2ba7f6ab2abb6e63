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
        exempt: it reads with the rights of somebody whom the policies of a table under it don't bind.
    """

    oid: int
    quoted: str
    columns: tuple[str, ...]
    exempt: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Definer:
    """A SECURITY DEFINER function whose body names the table.

    Args:
        call: its quoted name.
        arguments: the types of the arguments that have no default.
        tells: whether its result can show a row's content (it is neither a truth value nor nothing at all).
        writes: whether it may change rows, by the words of its body; a trigger's function can't be called.
    """

    oid: int
    quoted: str
    call: str
    arguments: tuple[str, ...]
    tells: bool
    writes: bool


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


@dataclass(frozen=True, slots=True)
class TenantWalls:
    """Declared tenant table (quoted) -> its wall; None where there is no such table."""

    by_table: Mapping[str, Wall | None]

    @classmethod
    def take(cls, postgres: Postgres, target: Target, tenants: TenantTables) -> Self:
        names = [list(part) for part in zip(*tenants.names, strict=True)] or [[], []]
        roles = application_roles(target.profile)
        rows = postgres.rows(_WALLS, (*names, list(roles)), marker="tenant-walls") if tenants.names else []
        found = {shown(row["schema"], row["name"]): _wall(row) for row in rows}
        return cls({(table := shown(*name)): found.get(table) for name in tenants.names})


def application_roles(profile: Profile) -> tuple[str, ...]:
    """The roles that the policies must bind, as the profile says it."""
    named = profile.row_security.roles or [s.role for s in profile.services.values() if s.role]
    return tuple(dict.fromkeys(named))


def _wall(row: Mapping[str, Any]) -> Wall:
    return Wall(
        oid=row["oid"],
        quoted=row["quoted"],
        sha256=hashlib.sha256(row["stands"].encode()).hexdigest()[:16],
        views=tuple(
            View(oid=v["oid"], quoted=v["quoted"], columns=tuple(v["columns"]), exempt=v["exempt"])
            for v in json.loads(row["views"])
        ),
        definers=tuple(Definer(**{**f, "arguments": tuple(f["arguments"])}) for f in json.loads(row["definers"])),
        parts=tuple(Part(**p) for p in json.loads(row["parts"])),
    )


# A view reads its tables as its owner, unless it is its reader's (security_invoker); a materialized view holds what its
# owner saw. Functions are told by their text, where the server keeps no dependency.
_WALLS = """
with recursive declared as (
    select c.oid, c.relowner, c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relacl, ns.nspname
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    inner join rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) as d (schema, name)
        on ns.nspname = d.schema and c.relname = d.name
    where c.relkind in ('r', 'p')
),
reads (table_oid, reader, below) as (
    select d.oid, rule.ev_class, d.oid
    from declared as d
    inner join pg_catalog.pg_depend as x
        on x.refobjid = d.oid and x.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and x.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    inner join pg_catalog.pg_rewrite as rule on x.objid = rule.oid and rule.ev_class <> d.oid and rule.ev_type = '1'
    union
    select r.table_oid, rule.ev_class, r.reader
    from reads as r
    inner join pg_catalog.pg_depend as x
        on x.refobjid = r.reader and x.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and x.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    inner join pg_catalog.pg_rewrite as rule on x.objid = rule.oid and rule.ev_class <> r.reader and rule.ev_type = '1'
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
                'exempt', c.relkind = 'm' or not invoker.yes and (
                    o.rolsuper or o.rolbypassrls
                    or not t.relforcerowsecurity and pg_catalog.pg_has_role(c.relowner, t.relowner, 'usage')
                )
            ) order by ns.nspname, c.relname
        ) as found,
        pg_catalog.string_agg(
            pg_catalog.concat_ws(
                '|', ns.nspname, c.relname, o.rolname, o.rolsuper, o.rolbypassrls, c.reloptions, c.relacl,
                pg_catalog.md5(pg_catalog.pg_get_viewdef(c.oid))
            ), ';' order by ns.nspname, c.relname
        ) as stands
    from (select distinct r.table_oid, r.reader from reads as r) as v
    inner join pg_catalog.pg_class as t on v.table_oid = t.oid
    inner join pg_catalog.pg_class as c on v.reader = c.oid and c.relkind in ('v', 'm')
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    inner join pg_catalog.pg_roles as o on c.relowner = o.oid
    cross join lateral (
        select exists (
            select from pg_catalog.unnest(c.reloptions) as s (setting)
            where s.setting like 'security\\_invoker=%'
                and pg_catalog.split_part(s.setting, '=', 2)::pg_catalog.bool
        ) as yes
    ) as invoker
    group by v.table_oid
),
definers as (
    select
        d.oid as table_oid,
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
                'tells', p.prokind = 'f' and p.prorettype not in (
                    'pg_catalog.bool'::pg_catalog.regtype, 'pg_catalog.void'::pg_catalog.regtype,
                    'pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype
                ),
                'writes', p.prorettype not in (
                    'pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype
                ) and coalesce(nullif(p.prosrc, ''), pg_catalog.pg_get_functiondef(p.oid))
                    ~* '\\m(insert|update|delete|merge|truncate|execute)\\M'
            ) order by ns.nspname, p.proname, p.oid
        ) as found,
        pg_catalog.string_agg(
            pg_catalog.concat_ws(
                '|', ns.nspname, p.proname, o.rolname, o.rolsuper, o.rolbypassrls, p.proacl,
                pg_catalog.md5(pg_catalog.pg_get_functiondef(p.oid))
            ), ';' order by ns.nspname, p.proname, p.proargtypes::text
        ) as stands
    from declared as d
    inner join pg_catalog.pg_proc as p
        on p.prosecdef and p.prokind in ('f', 'p') and (
            p.prosrc ~ ('(^|[^a-zA-Z0-9_])' || pg_catalog.regexp_replace(d.relname, '\\W', '.', 'g') || '($|[^a-zA-Z0-9_])')
            or exists (
                select from pg_catalog.pg_depend as x
                where x.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and x.objid = p.oid and x.refobjid = d.oid
            )
        )
    inner join pg_catalog.pg_namespace as ns on p.pronamespace = ns.oid and ns.nspname !~ '^(pg_|information_schema$)'
    inner join pg_catalog.pg_roles as o on p.proowner = o.oid
    group by d.oid
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
        v.stands, f.stands, s.stands,
        (
            select pg_catalog.string_agg(
                pg_catalog.concat_ws('|', r.rolname, r.rolsuper, r.rolbypassrls, array(
                    select g.rolname::text from pg_catalog.pg_roles as g
                    where g.oid <> r.oid and not r.rolsuper and pg_catalog.pg_has_role(r.oid, g.oid, 'member') order by 1
                )), ';' order by r.rolname
            )
            from pg_catalog.pg_roles as r where r.rolname = any ($3::text[])
        )
    ) as stands
from declared as d
left join views as v on d.oid = v.table_oid
left join definers as f on d.oid = f.table_oid
left join parts as s on d.oid = s.table_oid
order by d.nspname, d.relname
"""
