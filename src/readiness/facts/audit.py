"""What keeps a trail of the declared tables' changes: pgAudit, as each role's sessions get it, and triggers."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from readiness.authoring import Unobservable
from readiness.facts.catalog import AuditedTables, shown
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target, declared
from readiness.model import Reason, quote_ident
from readiness.profile import Profile

EVENTS = ("insert", "update", "delete", "truncate")

# What decides whether a change is logged, of a session; the server's defaults stand beside.
_DEFAULTS = {
    "pgaudit.log": "none",
    "pgaudit.role": "",
    "pgaudit.log_client": "off",
    "pgaudit.log_level": "log",
    "log_min_messages": "warning",
    "session_replication_role": "origin",
}
_CLASSES = frozenset({"read", "write", "function", "role", "ddl", "misc", "misc_set"})
# As the server's log ranks them (elog.h), LOG apart.
_LEVELS = ("debug5", "debug4", "debug3", "debug2", "debug1", "info", "notice", "warning", "error", "fatal", "panic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """The sessions of a role, by what is set for them when they begin.

    Args:
        role: None for every role that nothing is set for.
        settings: name -> value, of those that decide about the trail.
    """

    role: str | None
    settings: Mapping[str, str]

    @property
    def classes(self) -> frozenset[str]:
        """The classes that pgAudit logs: words add or, with a minus, take away, one after the other; `none` adds none."""
        found: set[str] = set()
        for word in self.settings["pgaudit.log"].lower().replace('"', "").split(","):
            name = word.strip()
            members = _CLASSES if name.removeprefix("-") == "all" else {name.removeprefix("-")}
            found = found - members if name.startswith("-") else found | members
        return frozenset(found & _CLASSES)

    @property
    def heard(self) -> bool:
        """Whether pgAudit's lines reach the server's log: at level LOG but where they are told to the client, too."""
        told = self.settings["pgaudit.log_client"] in ("on", "true", "yes", "1")
        level = self.settings["pgaudit.log_level"] if told else "log"
        least = self.settings["log_min_messages"]
        if level == "log":
            return least not in ("fatal", "panic")
        return least in _LEVELS and level in _LEVELS and _LEVELS.index(level) >= _LEVELS.index(least)

    @property
    def replica(self) -> bool:
        """Whether ordinary triggers are silent."""
        return self.settings["session_replication_role"] == "replica"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLogging:
    """pgAudit, as new sessions of this database get it.

    Args:
        loaded: whether the server has loaded it.
        sessions: of every role that may log in and has a setting of its own, or is declared; first those of all others.
    """

    loaded: bool
    sessions: tuple[Sessions, ...]

    @property
    def setting(self) -> str:
        """`pgaudit.log`, as it is set for all and for some."""
        if not self.loaded:
            return "not loaded"
        return " / ".join(dict.fromkeys(s.settings["pgaudit.log"] for s in self.sessions))

    def of(self, role: str) -> Sessions:
        return next((s for s in self.sessions if s.role == role), self.sessions[0])

    @classmethod
    def take(cls, postgres: Postgres, target: Target) -> Self:
        (row,) = postgres.rows(_SETTINGS, (list(_DEFAULTS),), marker="audit-logging")
        if row["own"]:
            raise Unobservable(
                Reason.NOT_OBSERVABLE,
                f"{', '.join(row['own'])} is set for the auditing role itself, which hides what the others get",
                f"alter role {quote_ident(row['me'])} reset {row['own'][0]};",
            )
        base = _DEFAULTS | json.loads(row["server"])
        overrides = [tuple(o) for o in json.loads(row["overrides"])]
        declared_roles = [r for r in audit_roles(target.profile) if r in row["logins"]]
        roles = sorted({role for role, *_ in overrides if role} | set(declared_roles))
        return cls(
            loaded=row["loaded"],
            sessions=tuple(_sessions(role, base, overrides) for role in (None, *roles)),
        )


def audit_roles(profile: Profile) -> tuple[str, ...]:
    """The roles whose changes must leave a trail whatever comes; the services' own by default."""
    named = profile.audit.roles or [s.role for s in profile.services.values() if s.role]
    return tuple(dict.fromkeys(named))


def _sessions(role: str | None, base: Mapping[str, str], overrides: list[tuple[Any, ...]]) -> Sessions:
    """What is set for a role here goes before what is set for it anywhere, that before what is set for the database."""
    settings = dict(base)
    for whose, here in (("", False), ("", True), (role, False), (role, True)):
        for owner, in_database, name, value in overrides:
            if owner == whose and in_database == here:
                settings[name] = value.lower()
    return Sessions(role=role, settings=settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A trigger of an audited table.

    Args:
        enabled: as pg_trigger.tgenabled has it: O and A fire in ordinary sessions, R and A in a replica's, D never.
        columns: of an `update of`; empty where every update counts.
        condition: its WHEN.
    """

    name: str
    events: frozenset[str]
    enabled: str
    columns: tuple[str, ...]
    condition: str | None

    def fires(self, event: str, *, replica: bool = False) -> bool:
        return event in self.events and self.enabled in ("A", "R" if replica else "O")

    @property
    def hides(self) -> bool:
        """Whether its condition may leave out a change: one that only asks whether anything changed doesn't."""
        return self.condition is not None and not _CHANGED.fullmatch(self.condition)


_CHANGED = re.compile(r"\(?\s*(old|new)\.\*\s+(is distinct from|<>|\*<>)\s+(old|new)\.\*\s*\)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedTable:
    """A table whose changes must leave a trail, as it is.

    Args:
        sha256: of all that decides whether a change leaves a trail: a proof counts for what it was made with.
        columns: those that can be written.
        writers: event -> the roles of `AuditLogging` that may do it; "" stands for the role without settings.
        granted: pgAudit's master role -> the events that its grants on the table have logged.
    """

    oid: int
    quoted: str
    sha256: str
    columns: tuple[str, ...]
    triggers: tuple[Trigger, ...]
    writers: Mapping[str, frozenset[str]]
    granted: Mapping[str, frozenset[str]]

    def logged(self, event: str, logging: AuditLogging, sessions: Sessions) -> bool:
        """Whether pgAudit logs an event in some sessions: by class, or by object, which knows no truncate."""
        if not logging.loaded or not sessions.heard:
            return False
        granted = self.granted.get(sessions.settings["pgaudit.role"], frozenset())
        return "write" in sessions.classes or event in granted

    def triggered(self, event: str, sessions: Sessions) -> bool:
        """Whether triggers fire on every such event, as far as their events and columns say."""
        firing = [t for t in self.triggers if t.fires(event, replica=sessions.replica)]
        if any(event != "update" or not t.columns for t in firing):  # the columns of an `update of` are update's alone
            return True
        return bool(firing) and set(self.columns) <= {c for t in firing for c in t.columns}

    def uncovered(self, logging: AuditLogging) -> list[str]:
        """Events that nothing records, and by whom where it is not everybody: `truncate`, `insert by app`."""
        found: list[str] = []
        for event in EVENTS:
            silent = [
                s.role
                for s in logging.sessions
                if (s.role or "") in self.writers[event]
                and not self.logged(event, logging, s)
                and not self.triggered(event, s)
            ]
            found += [event] if None in silent else [f"{event} by {role}" for role in silent]
        return found


@dataclass(frozen=True, slots=True)
class AuditTrails:
    """Declared table (quoted) -> what records its changes; None where there is no such table."""

    by_table: Mapping[str, AuditedTable | None]

    @classmethod
    def take(cls, postgres: Postgres, audited: AuditedTables, logging: AuditLogging) -> Self:
        names = [list(part) for part in zip(*audited.names, strict=True)] or [[], []]
        roles = [s.role for s in logging.sessions if s.role]
        masters = sorted({s.settings["pgaudit.role"] for s in logging.sessions} - {""})
        rows = postgres.rows(_TABLES, (*names, roles, masters), marker="audit-trails") if audited.names else []
        settings = json.dumps([[s.role, dict(s.settings)] for s in logging.sessions if logging.loaded or s.replica])
        found = {shown(row["schema"], row["name"]): _table(row, settings) for row in rows}
        return cls({(table := shown(*name)): found.get(table) for name in audited.names})


@dataclass(frozen=True, slots=True)
class AuditClasses:
    """The classes of statements that must be logged by pgAudit, whoever sends them."""

    names: tuple[str, ...]

    @classmethod
    def take(cls, target: Target) -> Self:
        declared(target.profile, "audit", empty="{tables: []}")
        if "classes" not in target.profile.audit.model_fields_set:
            raise Unobservable(
                Reason.NOT_CONFIGURED,
                "the profile doesn't say which classes of statements must be logged",
                "declare `audit.classes:` in the profile (`classes: [ddl, role]`, or `[]` where none has to be)",
            )
        return cls(target.profile.audit.classes)


@dataclass(frozen=True, slots=True)
class AuditEvents:
    """What else must leave a record: `event NAME` -> a digest of how it is declared."""

    by_name: Mapping[str, str]

    @classmethod
    def take(cls, target: Target) -> Self:
        declared(target.profile, "audit", empty="{tables: []}")
        own = target.profile.audit
        texts = {f"event {name}": event.model_dump_json() for name, event in own.events.items()}
        return cls({name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in texts.items()})


def _table(row: Mapping[str, Any], settings: str) -> AuditedTable:
    return AuditedTable(
        oid=row["oid"],
        quoted=row["quoted"],
        sha256=hashlib.sha256(f"{row['stands']}/{settings}".encode()).hexdigest()[:16],
        columns=tuple(row["columns"]),
        triggers=tuple(_trigger(t) for t in json.loads(row["triggers"])),
        writers={
            event: frozenset({"", *(role for role, may in json.loads(row["writers"]) if event in may)})
            for event in EVENTS
        },
        granted={master: frozenset(events) for master, events in json.loads(row["granted"]).items()},
    )


def _trigger(told: Mapping[str, Any]) -> Trigger:
    condition = re.search(r" WHEN \((.*)\) EXECUTE (?:FUNCTION|PROCEDURE) ", told["definition"], re.DOTALL)
    # The bits of pg_trigger.tgtype (src/include/catalog/pg_trigger.h).
    bits = {"insert": 4, "delete": 8, "update": 16, "truncate": 32}
    return Trigger(
        name=told["name"],
        events=frozenset(name for name, bit in bits.items() if told["type"] & bit),
        enabled=told["enabled"],
        columns=tuple(told["columns"]),
        condition=condition[1] if condition else None,
    )


# reset_val is what the server's files, this database and all roles together say, unless our own role has a setting.
_SETTINGS = """
select
    exists (
        select
        from pg_catalog.pg_settings as s
        where
            s.name = 'shared_preload_libraries'
            and 'pgaudit' = any (pg_catalog.regexp_split_to_array(pg_catalog.replace(s.setting, '"', ''), '\\s*,\\s*'))
    ) as loaded,
    current_user as me,
    array(
        select s.name
        from pg_catalog.pg_settings as s
        where s.name = any ($1::text[]) and s.source in ('user', 'database user', 'client', 'session')
        order by s.name
    )::text[] as own,
    coalesce(
        (
            select pg_catalog.json_object_agg(s.name, pg_catalog.lower(coalesce(s.reset_val, '')) order by s.name)
            from pg_catalog.pg_settings as s
            where s.name = any ($1::text[])
        ), '{}'
    ) as server,
    coalesce(
        (
            select
                pg_catalog.json_agg(
                    pg_catalog.json_build_array(
                        coalesce(r.rolname, ''), d.setdatabase <> 0,
                        pg_catalog.split_part(o.setting, '=', 1),
                        pg_catalog.substr(o.setting, pg_catalog.strpos(o.setting, '=') + 1)
                    ) order by r.rolname, d.setdatabase, o.setting
                )
            from pg_catalog.pg_db_role_setting as d
            cross join lateral pg_catalog.unnest(d.setconfig) as o (setting)
            left join pg_catalog.pg_roles as r on d.setrole = r.oid
            where
                pg_catalog.split_part(o.setting, '=', 1) = any ($1::text[])
                and (d.setrole = 0 or r.rolcanlogin)
                and (
                    d.setdatabase = 0
                    or d.setdatabase = (
                        select b.oid from pg_catalog.pg_database as b where b.datname = pg_catalog.current_database()
                    )
                )
        ), '[]'
    ) as overrides,
    array(select r.rolname from pg_catalog.pg_roles as r where r.rolcanlogin order by r.rolname)::text[] as logins
"""

# What pgAudit takes for a grant to its master role: the table's own list, not PUBLIC's, directly or by membership; a
# grant on columns has the changes of these logged alone, and counts for nothing here.
_TABLES = """
select
    c.oid::pg_catalog.int8 as oid,
    ns.nspname::text as schema,
    c.relname::text as name,
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as quoted,
    array(
        select a.attname::text
        from pg_catalog.pg_attribute as a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
        order by a.attnum
    ) as columns,
    coalesce(t.listed, '[]') as triggers,
    coalesce(
        (
            select pg_catalog.json_agg(pg_catalog.json_build_array(r.name, may.events) order by r.name)
            from pg_catalog.unnest($3::text[]) as r (name)
            cross join lateral (
                select
                    array(
                        select e.name
                        from pg_catalog.unnest(array['insert', 'update', 'delete', 'truncate']) as e (name)
                        where
                            pg_catalog.has_table_privilege(r.name, c.oid, e.name)
                            or e.name in ('insert', 'update')
                            and pg_catalog.has_any_column_privilege(r.name, c.oid, e.name)
                    ) as events
            ) as may
        ), '[]'
    ) as writers,
    coalesce(
        (
            select pg_catalog.json_object_agg(m.name, granted.events order by m.name)
            from pg_catalog.unnest($4::text[]) as m (name)
            inner join pg_catalog.pg_roles as master on m.name = master.rolname
            cross join lateral (
                select
                    array(
                        select distinct pg_catalog.lower(x.privilege_type)
                        from pg_catalog.aclexplode(c.relacl) as x
                        where
                            x.privilege_type in ('INSERT', 'UPDATE', 'DELETE')
                            and x.grantee <> 0
                            and pg_catalog.pg_has_role(master.oid, x.grantee, 'usage')
                        order by 1
                    ) as events
            ) as granted
        ), '{}'
    ) as granted,
    pg_catalog.concat_ws(
        '/', c.relacl::text, pg_catalog.pg_get_userbyid(c.relowner), t.stands,
        (
            -- Of its partitions, who may do what, and the triggers of their own; one more of the same kind changes nothing.
            select
                pg_catalog.string_agg(
                    distinct pg_catalog.concat_ws(
                        '|', p.relacl::text, pg_catalog.pg_get_userbyid(p.relowner),
                        (
                            select pg_catalog.string_agg(
                                pg_catalog.concat_ws('|', g.tgtype, g.tgenabled, g.tgfoid::pg_catalog.regproc), ';'
                                order by g.tgname
                            )
                            from pg_catalog.pg_trigger as g
                            where g.tgrelid = p.oid and not g.tgisinternal
                        )
                    ), ';'
                )
            from pg_catalog.pg_inherits as i
            inner join pg_catalog.pg_class as p on i.inhrelid = p.oid and p.relispartition
            where i.inhparent = c.oid
        )
    ) as stands
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
inner join rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) as d (schema, name)
    on ns.nspname = d.schema and c.relname = d.name
left join lateral (
    select
        pg_catalog.json_agg(
            pg_catalog.json_build_object(
                'name', g.tgname, 'type', g.tgtype::pg_catalog.int4, 'enabled', g.tgenabled,
                'definition', pg_catalog.pg_get_triggerdef(g.oid),
                'columns', array(
                    select a.attname::text
                    from pg_catalog.pg_attribute as a
                    where a.attrelid = c.oid and a.attnum = any (g.tgattr::pg_catalog.int2[])
                    order by a.attnum
                )
            ) order by g.tgname
        ) as listed,
        pg_catalog.string_agg(
            pg_catalog.concat_ws(
                '|', pg_catalog.pg_get_triggerdef(g.oid), g.tgenabled, pg_catalog.pg_get_userbyid(p.proowner),
                pg_catalog.md5(pg_catalog.pg_get_functiondef(p.oid))
            ), ';' order by g.tgname
        ) as stands
    from pg_catalog.pg_trigger as g
    inner join pg_catalog.pg_proc as p on g.tgfoid = p.oid
    where g.tgrelid = c.oid and not g.tgisinternal
) as t on true
where c.relkind in ('r', 'p')
order by ns.nspname, c.relname
"""
