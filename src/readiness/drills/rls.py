"""Row level security, tried: every declared role reads and writes every tenant table, as this tenant, that one, and nobody.

A role tries it as itself, with what is set for its sessions, and as every role that it may set. What can be written through
a view is written through it, too. Each probe is a transaction of its own that is rolled back; those that read are read-only beside. What writes touches one
row at most: the row counts itself in a setting, in a `where` that reads no column (reading one would bring the policies
for select in, and hide a hole that an update without `where` has). An insert is another's own row once more: the server
asks the policies before the primary key, so that which of the two refuses it tells whether the wall holds, and no row
comes to be.
"""

from __future__ import annotations

import json
import re
import secrets
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import errors, sql

from readiness.drills import DrillError
from readiness.drills.sessions import SET_FOR_ROLE
from readiness.facts.postgres import APPLICATION_NAME, CONNECT_SECONDS, LOCK_MILLISECONDS
from readiness.facts.walls import Definer, Part, View, Wall

PROBE_SECONDS = 5.0
_MOST_PARTS = 50
_MOST_ROLES = 20
"""As how many of the roles that it may set a role tries each table."""

# True for the first row that gets this far: the policies, as barriers, go before it.
_ONE = sql.SQL(
    "pg_catalog.set_config('readiness.probed', (coalesce(nullif(pg_catalog.current_setting('readiness.probed', true), ''),"
    " '0')::pg_catalog.int4 + 1)::pg_catalog.text, true)::pg_catalog.int4 <= 1"
)
_TOOK_EFFECT = errors.IntegrityError  # a constraint spoke, which it does only of a row that the policies let through
_SET_ROLE = re.compile(r" \(set role .*?\)(?=[ :])")
_NOT_TRIED = (errors.QueryCanceled, errors.LockNotAvailable, errors.OperationalError)


_Statement = tuple[sql.Composed, tuple[Any, ...]]

_RIGHTS = {
    "insert": "has_any_column_privilege",
    "update": "has_any_column_privilege",
    "delete": "has_table_privilege",
    "truncate": "has_table_privilege",
}
"""What may be written -> who says whether it may."""

# What policies, and functions that they ask, may read beside settings of the platform's own (which have a dot in their name).
# How the server works for a role (limits, plans) is left as the drill has it.
_READ_BY_POLICIES = frozenset({"role", "search_path", "row_security"})


@dataclass(slots=True)
class Tried:
    """What came of one table.

    Args:
        probes: how many were answered.
        unproved: ways around that could not be tried, in words.
    """

    sha256: str
    probes: int = 0
    findings: list[str] = field(default_factory=list)
    unproved: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """How the platform tells its tenants apart.

    Args:
        columns: quoted table -> its tenant column.
        settings: name -> value, with `{tenant}` in it.
        owners: quoted table -> SQL that yields (value of that column, whose it is), where the column holds not the tenant
            but what belongs to one: a task's project.
    """

    columns: Mapping[str, str]
    settings: Mapping[str, str]
    owners: Mapping[str, str] = field(default_factory=dict)
    roles: Sequence[str]
    tenants: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A tenant table with what to try it with.

    Args:
        a, b: two tenants with rows (or a value of the column that is theirs); the second None where there is one alone.
        stranger: a made-up tenant without rows; None where its type takes none.
        others: whose rows must not be shown to another; None for anybody's.
        values: where the column holds what belongs to a tenant, all that is each one's: a, b -> values.
    """

    wall: Wall
    name: sql.Composable
    column: str
    type: str
    a: str
    b: str | None
    stranger: str | None
    others: list[str] | None
    values: Mapping[str, list[str]]
    guarded: frozenset[str]
    """insert, update: where a trigger may change a row's tenant before it is written."""
    triggered: bool
    """Whether a trigger sees rows before they are written at all: what it refuses is part of the wall."""
    made_of: tuple[str, ...]
    """The columns that the tenant's is generated from."""
    plain: frozenset[str]
    """The columns that can be written at all."""

    def others_of(self, tenant: str | None) -> list[str] | None:
        """What must not be shown to a tenant; None for whatever is not its own."""
        if not self.values:
            return self.others
        return [value for who, theirs in self.values.items() if who != tenant for value in theirs]


@dataclass(frozen=True, slots=True)
class _Actor:
    """Who tries: a declared role, perhaps after it set another one."""

    login: str
    becomes: str | None = None

    @property
    def role(self) -> str:
        """Whose rights count."""
        return self.becomes or self.login

    def __str__(self) -> str:
        return self.login if self.becomes is None else f"{self.login} (set role {self.becomes})"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Door:
    """Where rows are written: the table, or a view of it."""

    name: sql.Composable
    oid: int
    takes: tuple[str, ...] = ("insert", "update", "delete")
    view: View | None = None

    @property
    def through(self) -> str:
        return f" through the view {self.view.quoted}" if self.view else ""


def drill(
    dsn: str,
    walls: Mapping[str, Wall | None],
    declared: Declared,
    *,
    writes: bool = True,
    seconds: float = PROBE_SECONDS,
) -> dict[str, Tried]:
    """Try every table that is there; table -> what came of it.

    Args:
        dsn: of a role that sees every row and may act as each of the roles: a superuser, or the like.
        writes: whether to try what a role may write, too.

    Raises:
        DrillError: it can't be tried as declared, or by this role.
    """
    try:
        session = psycopg.connect(
            dsn, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name=f"{APPLICATION_NAME} drill"
        )
    except psycopg.Error as error:
        raise DrillError(f"the database can't be reached: {_line(error)}") from error
    with session:
        session.prepare_threshold = None
        work = _Work(session, declared, seconds)
        work.roles_exist()
        found = {name: Tried(wall.sha256) for name, wall in walls.items() if wall is not None}
        tables = [t for name, tried in found.items() if (t := work.table(name, walls[name], tried)) is not None]
        trials = [
            (t, actor, found[t.wall.quoted]) for t in tables for r in declared.roles for actor in work.actors(t, r)
        ]
        # A setting that was ever set is '' from then on, in this session: first as it is for a new one.
        for tenant in (None, "", "a", "b", "stranger"):
            for table, actor, tried in trials:
                who = getattr(table, tenant) if tenant else tenant
                if tenant and who is None:
                    continue
                work.reads(table, actor, who, tried)
                if writes and not who:
                    work.writes_as_nobody(table, actor, who, tried)
        for table, actor, tried in trials:
            work.rights(table, actor, tried)
            if writes:
                work.writes(table, actor, tried)
            else:
                tried.unproved.append(f"{actor}: what it may write was not tried (--read-only)")
    for tried in found.values():
        tried.findings, tried.unproved = _distinct(tried.findings), _distinct(tried.unproved)
    return found


def _distinct(lines: Sequence[str]) -> list[str]:
    """Each once: what is open to a tenant needs no word as nobody, nor what is open to a role by the roles that it may set."""
    told: dict[str, str] = {}
    for line in sorted(lines, key=lambda f: ("(set role " in f, any(_others(w) in f for w in (None, "")))):
        plain = _SET_ROLE.sub("", line)
        as_tenant = plain
        for who in (None, ""):
            as_tenant = as_tenant.replace(_others(who), _others("t"))
        if plain not in told and (plain == as_tenant or as_tenant not in told):
            told[plain] = line
    return [line for line in dict.fromkeys(lines) if told.get(_SET_ROLE.sub("", line)) == line]


class _Refused(Exception):  # noqa: N818  an answer
    """The server said no, and so no row was shown or changed."""

    def __init__(self, error: psycopg.Error) -> None:
        super().__init__(_line(error))
        self.denied = isinstance(error, errors.InsufficientPrivilege)


class _Work:
    def __init__(self, session: psycopg.Connection[Any], declared: Declared, seconds: float) -> None:
        self.session = session
        self.declared = declared
        self.tenant_of: dict[str, str] = {}
        """A value that belongs to a tenant -> the tenant."""
        self.of_login: dict[str, list[tuple[str, str]]] = {}
        self.milliseconds = max(1, round(seconds * 1000))
        row = self._one("select r.rolsuper from pg_catalog.pg_roles as r where r.rolname = current_user")
        # What a policy sees as session_user is the application's too, where we may.
        self.superuser = bool(row[0])
        self.become = sql.SQL("set local session authorization {}" if row[0] else "set local role {}")

    # -- the ground ------------------------------------------------------------------------------------------------

    def roles_exist(self) -> None:
        for role in self.declared.roles:
            if not self._rows("select from pg_catalog.pg_roles as r where r.rolname = %s", (role,)):
                raise DrillError(f"there is no role {role!r}; row_security.roles or services.*.role name it")
            try:
                with self._as(_Actor(role), None):
                    pass
            except (errors.InsufficientPrivilege, _Refused) as error:
                raise DrillError(
                    f"the drill's role may not act as {role!r}; run it as a superuser, or: grant the role to it"
                ) from error

    def actors(self, table: _Table, role: str) -> list[_Actor]:
        """A declared role, and what it may become; but for whom the policies don't bind, which is told as such."""
        exempt = self._exempt(table, role)
        may = "set" if self.session.info.server_version >= 160000 else "member"
        others = [
            name
            for (name,) in self._rows(
                "select r.rolname::text from pg_catalog.pg_roles as r "
                "inner join pg_catalog.pg_roles as me on me.rolname = %s and not me.rolsuper "
                "where r.oid <> me.oid and pg_catalog.pg_has_role(me.oid, r.oid, %s) order by 1",
                (role, may),
            )
            if name not in exempt
        ]
        return [_Actor(role), *(_Actor(role, name) for name in others[:_MOST_ROLES])]

    def _exempt(self, table: _Table, role: str) -> list[str]:
        rows = self._rows(
            "select r.rolname::text from pg_catalog.pg_roles as r "
            "inner join pg_catalog.pg_class as c on c.oid = %s "
            "inner join pg_catalog.pg_roles as me on me.rolname = %s and not me.rolsuper "
            "where r.oid <> me.oid and pg_catalog.pg_has_role(me.oid, r.oid, 'member') "
            "and (r.rolsuper or r.rolbypassrls or (c.relowner = r.oid and not c.relforcerowsecurity)) order by 1",
            (table.wall.oid, role),
        )
        return [name for (name,) in rows]

    def table(self, name: str, wall: Wall | None, tried: Tried) -> _Table | None:
        """What to try a table with; None, and why, where it can't be."""
        assert wall is not None
        column = self.declared.columns.get(name)
        if column is None:
            tried.unproved.append("which column holds the tenant is not declared (row_security.column or .columns)")
            return None
        facts = self._rows(_COLUMN, {"table": wall.oid, "column": column})
        if not facts:
            raise DrillError(f"{name} has no column {column!r}; mend row_security.column or .columns")
        kind, made_of, plain, guarded, triggered = facts[0]
        table, quoted = sql.SQL(wall.quoted), sql.Identifier(column)
        owner = self.declared.owners.get(name)
        try:
            tenants = self._owned(table, quoted, owner) if owner else self._tenants(table, quoted, kind)
        except errors.InsufficientPrivilege as error:
            raise DrillError(f"the drill's role must see every row of {name}; run it as a superuser") from error
        except _NOT_TRIED as error:
            tried.unproved.append(f"no tenant's rows could be looked up: {_line(error)}")
            return None
        except errors.ProgrammingError as error:
            raise DrillError(f"row_security.owners: {name}: {_line(error)}") from error
        if not tenants:
            tried.unproved.append("it holds no row of any tenant, so there is nothing that could be shown")
            return None
        return _Table(
            wall=wall,
            name=table,
            column=column,
            type=kind,
            a=tenants[0],
            b=tenants[1] if len(tenants) > 1 else None,
            stranger=self._stranger(table, quoted, kind, owner),
            others=list(self.declared.tenants) or None,
            values=self._values(table, quoted, owner, tenants) if owner else {},
            guarded=frozenset(guarded),
            triggered=triggered,
            made_of=tuple(made_of),
            plain=frozenset(plain),
        )

    def _tenants(self, table: sql.Composable, column: sql.Composable, kind: str) -> list[str]:
        found: list[str] = []
        with self._bounded():
            self.session.execute("select pg_catalog.set_config('row_security', 'off', true)")
            for tenant in self.declared.tenants:
                having = sql.SQL("select from {} as t where t.{} = %s::{} limit 1").format(table, column, sql.SQL(kind))
                if self.session.execute(having, (tenant,)).fetchone() is not None:
                    found.append(tenant)
            while len(found) < 2:
                another = sql.SQL(
                    "select t.{0}::text from {1} as t where t.{0} is not null and t.{0}::text <> all (%s) limit 1"
                ).format(column, table)
                row = self.session.execute(another, (found,)).fetchone()
                if row is None:
                    break
                found.append(row[0])
        return found[:2]

    def _owned(self, table: sql.Composable, column: sql.Composable, owner: str) -> list[str]:
        """Of two tenants one value each that is theirs and that the table has rows of."""
        found: list[str] = []
        with self._bounded():
            self.session.execute("select pg_catalog.set_config('row_security', 'off', true)")
            for at in range(2):
                query = sql.SQL(
                    "select o.value::text, o.tenant::text from ({}) as o (value, tenant) inner join {} as t on t.{} = o.value "
                    "where o.tenant is not null and o.tenant::text <> all (%s) and (%s::text is null or o.tenant::text = %s) "
                    "limit 1"
                ).format(sql.SQL(owner), table, column)
                wanted = self.declared.tenants[at] if at < len(self.declared.tenants) else None
                row = self.session.execute(query, ([self.tenant_of[v] for v in found], wanted, wanted)).fetchone()
                if row is None:
                    break
                self.tenant_of[row[0]] = row[1]
                found.append(row[0])
        return found

    def _values(
        self, table: sql.Composable, column: sql.Composable, owner: str, values: Sequence[str]
    ) -> dict[str, list[str]]:
        """All values of the column that are a tenant's (the first thousand), by the one value that stands for it."""
        query = sql.SQL(
            "select distinct o.value::text from ({}) as o (value, tenant) inner join {} as t on t.{} = o.value "
            "where o.tenant::text = %s order by 1 limit 1000"
        ).format(sql.SQL(owner), table, column)
        with self._bounded():
            self.session.execute("select pg_catalog.set_config('row_security', 'off', true)")
            return {v: [own for (own,) in self.session.execute(query, (self.tenant_of[v],)).fetchall()] for v in values}

    def _stranger(self, table: sql.Composable, column: sql.Composable, kind: str, owner: str | None) -> str | None:
        """A tenant of the column's type that has no rows; where the column holds what belongs to one, such a thing of his."""
        none = sql.SQL("select not exists (select from {} as t where t.{} = %s::{})").format(
            table, column, sql.SQL(kind)
        )
        made = self._made_up(none)
        if made is None or owner is None:
            return made
        with suppress(psycopg.Error), self._bounded():
            query = sql.SQL("select pg_catalog.pg_typeof(o.tenant)::text from ({}) as o (value, tenant) limit 1")
            row = self.session.execute(query.format(sql.SQL(owner))).fetchone()
        whose = self._made_up(sql.SQL("select %s::{} is not null").format(sql.SQL(row[0]))) if row else None
        if whose is None:
            return None
        self.tenant_of[made] = whose
        return made

    def _made_up(self, fits: sql.Composed) -> str | None:
        for made in (str(uuid.uuid4()), f"-{secrets.randbelow(20_000) + 10_000}", secrets.token_hex(4)):
            with suppress(psycopg.Error), self._bounded():
                self.session.execute("select pg_catalog.set_config('row_security', 'off', true)")
                if self.session.execute(fits, (made,)).fetchone() == (True,):
                    return made
        return None

    # -- reading ---------------------------------------------------------------------------------------------------

    def reads(self, table: _Table, role: _Actor, tenant: str | None, tried: Tried) -> None:
        """As a role, as a tenant (None: nothing set; '': set to nothing): see one's own rows, and no other's."""
        seen = self._shown_columns(role.role, table.wall.oid)
        column = sql.Identifier(table.column)
        if table.column in seen:
            if self._shows(table, table.name, column, role, tenant, tried):
                cause = self._cause(table, role)
                tried.findings.append(f"{role} sees {_others(tenant)}: {cause}")
            elif tenant and tenant in (table.a, table.b) and role.becomes is None:
                self._sees_own(table, role, tenant, tried)
        elif seen:
            tried.unproved.append(f"{role}: it may read other columns than the tenant's; what it sees can't be told")
        for view in table.wall.views:
            columns = self._shown_columns(role.role, view.oid)
            if table.column in columns:
                if self._shows(table, sql.SQL(view.quoted), column, role, tenant, tried):
                    tried.findings.append(f"{role} sees {_others(tenant)} through the view {view.quoted}")
                elif tenant and self._peeks(table, view, role, tenant, tried):
                    tried.findings.append(
                        f"{role} reaches other tenants' rows behind the view {view.quoted}: it is no security barrier, so a "
                        "function in its reader's condition is shown rows that the view leaves out"
                    )
            elif columns and tenant is None:
                self._whole_view(view, role, tried)
        for definer in table.wall.definers:
            self._call(definer, table, role, tenant, tried)
        for part in table.wall.parts[:_MOST_PARTS]:
            if table.column in self._shown_columns(role.role, part.oid) and self._shows(
                table, sql.SQL(part.quoted), column, role, tenant, tried
            ):
                tried.findings.append(f"{role} sees {_others(tenant)} in {part.quoted}, asked by its own name")

    def _sees_own(self, table: _Table, role: _Actor, tenant: str, tried: Tried) -> None:
        own = sql.SQL("select exists (select from {} as t where t.{}::text = %s)").format(
            table.name, sql.Identifier(table.column)
        )
        try:
            with self._as(role, tenant):
                seen = self._one_as(own, (tenant,))[0]
        except _Refused as refusal:
            if refusal.denied:  # of what a policy asks: the table itself it may read
                tried.findings.append(f"{role} doesn't see a tenant's own rows: {refusal}")
            else:
                tried.unproved.append(f"{role}: its own rows: {refusal}")
        except psycopg.Error as error:
            tried.unproved.append(f"{role}: its own rows: {_line(error)}")
        else:
            tried.probes += 1
            if not seen:
                tried.findings.append(f"{role} doesn't see a tenant's own rows")

    def _peeks(self, table: _Table, view: View, role: _Actor, tenant: str, tried: Tried) -> bool:
        """Whether a function in a query's condition is shown others' rows before the view's own condition leaves them out.

        The planner asks what costs less first; the one here costs as little as such a condition can, reading one column.
        """
        if not view.exempt:
            return False
        look = sql.SQL(
            "select count(*) from {} as t where pg_catalog.set_config('readiness.shown', t.{}::text, true) is null"
        )
        try:
            with self._as(role, tenant):
                for method in ("enable_indexscan", "enable_bitmapscan", "enable_indexonlyscan"):  # as anybody may
                    self.session.execute("select pg_catalog.set_config(%s, 'off', true)", (method,))
                self._one_as(look.format(sql.SQL(view.quoted), sql.Identifier(table.column)), ())
                (shown,) = self._one("select pg_catalog.current_setting('readiness.shown', true)")
        except (psycopg.Error, _Refused) as error:
            tried.unproved.append(f"{role}: what lies behind the view {view.quoted}: {_line(error)}")
            return False
        tried.probes += 1
        others = table.others_of(tenant)
        return bool(shown) and shown != tenant and (others is None or shown in others)

    def _shows(
        self,
        table: _Table,
        where: sql.Composable,
        column: sql.Composable,
        role: _Actor,
        tenant: str | None,
        tried: Tried,
    ) -> bool:
        """Whether it shows rows of another tenant; rows of none are nobody's secret."""
        query = sql.SQL(
            "select exists (select from {0} as t where t.{1}::text <> %s and (%s::text[] is null or t.{1}::text = any (%s)))"
        ).format(where, column)
        others = table.others_of(tenant)
        return self._ask(query, (tenant or "", others, others), role, tenant, tried, "others' rows") is True

    def _whole_view(self, view: View, role: _Actor, tried: Tried) -> None:
        """A view that doesn't tell the tenant: nobody must not see in it what we see."""
        query = sql.SQL("select count(*), sum(pg_catalog.hashtextextended(v::text, 0)) from {} as v").format(
            sql.SQL(view.quoted)
        )
        try:
            with self._as(role, None):
                theirs = self.session.execute(query).fetchone()
            with self._bounded():
                ours = self.session.execute(query).fetchone()
        except (psycopg.Error, _Refused) as error:
            if view.exempt or isinstance(error, _NOT_TRIED):
                tried.unproved.append(f"{role}: the view {view.quoted}: {_line(error)}")
            return
        tried.probes += 1
        if theirs is None or theirs[0] == 0:
            return
        if theirs == ours:
            tried.findings.append(f"without a tenant {role} sees all of the view {view.quoted}")
        elif view.exempt:
            tried.unproved.append(
                f"{role}: the view {view.quoted} passes over the policies, and doesn't tell the tenant"
            )

    def _call(self, definer: Definer, table: _Table, role: _Actor, tenant: str | None, tried: Tried) -> None:
        if not self._may("has_function_privilege", role, definer.oid, "execute"):
            return
        if not definer.named:
            tried.unproved.append(
                f"{role}: {definer.quoted} is SECURITY DEFINER and runs text put together when it is called; look at it"
            )
            return
        if not definer.tells:
            if definer.writes:
                tried.unproved.append(
                    f"{role}: {definer.quoted} is SECURITY DEFINER and may change rows, and was not called; look at it"
                )
            return
        takes_tenant = definer.arguments == (table.type,)
        if definer.arguments and not takes_tenant:
            tried.unproved.append(f"{role}: {definer.quoted} is SECURITY DEFINER and could not be called; look at it")
            return
        other = next(t for t in (table.b, table.a) if t is not None and t != tenant) if takes_tenant else None
        query = sql.SQL(
            "select coalesce(bool_or(pg_catalog.jsonb_typeof(f.r) = 'object' and f.r operator(pg_catalog.?) %s), false), "
            "coalesce(bool_or("
            "f.r operator(pg_catalog.->>) %s <> %s and (%s::text[] is null or f.r operator(pg_catalog.->>) %s = any (%s))"
            "), false), count(f.r) "
            "from (select pg_catalog.to_jsonb(x) as r from {}({}) as x) as f"
        ).format(
            sql.SQL(definer.call),
            sql.SQL("%s::{}").format(sql.SQL(table.type)) if takes_tenant else sql.SQL(""),
        )
        others = table.others_of(tenant)
        told = [table.column, table.column, tenant or "", others, table.column, others]
        parameters = [*told, *([other] if takes_tenant else [])]
        try:
            with self._as(role, tenant):
                tells, shows, rows = self._one_as(query, parameters)
        except _Refused:
            tried.probes += 1
            return
        except psycopg.Error as error:
            tried.unproved.append(f"{role}: {definer.quoted}: {_line(error)}")
            return
        tried.probes += 1
        if shows:
            tried.findings.append(f"{role} sees {_others(tenant)} through the function {definer.quoted}")
        elif rows and not tells and tenant is None:
            tried.unproved.append(
                f"{role}: {definer.quoted} is SECURITY DEFINER, and its result doesn't tell the tenant"
            )

    # -- rights that no policy holds back -----------------------------------------------------------------------------

    def rights(self, table: _Table, role: _Actor, tried: Tried) -> None:
        if self._may("has_table_privilege", role, table.wall.oid, "truncate"):
            tried.findings.append(f"{role} may truncate it, and no policy holds that back")
        tried.probes += 2
        if role.becomes is None:
            exempt = self._exempt(table, role.login)
            tried.findings.extend(f"{role} may become {name}, whom the policies don't bind" for name in exempt)
        for part in table.wall.parts[:_MOST_PARTS]:
            self._part(part, role, tried)
        if (more := len(table.wall.parts) - _MOST_PARTS) > 0:
            tried.unproved.append(f"{role}: {more} more tables below it can be asked by their own names")
        for detour in table.wall.detours:
            if any(self._may(_RIGHTS[right], role, detour.oid, right) for right in detour.rights):
                tried.unproved.append(
                    f"{role} may write to {detour.quoted}, whose {detour.by} writes here past the policies; look at it"
                )

    def _part(self, part: Part, role: _Actor, tried: Tried) -> None:
        """What may be written in a partition by its own name, where the table's policies don't count."""
        rights = [right for right, function in _RIGHTS.items() if self._may(function, role, part.oid, right)]
        tried.probes += 1
        if rights and not part.walled:
            tried.findings.append(
                f"{role} may {', '.join(rights)} in {part.quoted} by its own name, where no policy holds that back"
            )
        elif rights:
            tried.unproved.append(
                f"{role} may {', '.join(rights)} in {part.quoted} by its own name; look at its policies"
            )

    # -- writing ---------------------------------------------------------------------------------------------------

    def writes(self, table: _Table, role: _Actor, tried: Tried) -> None:
        """As a role: one's own rows can be written, as far as rights say it; no other's, and none into another's hands."""
        for door in self._doors(table):
            self._inserts(table, door, role, tried)
            self._updates(table, door, role, tried)
            self._deletes(table, door, role, tried)

    def writes_as_nobody(self, table: _Table, role: _Actor, tenant: str | None, tried: Tried) -> None:
        """With no tenant set (None), or set to nothing (''): nothing can be written."""
        for door in self._doors(table):
            why = self._why(table, door, role)
            insert, into = self._insert(table, door, role, table.a), _others(tenant)
            if insert and self._writes(*insert, role, tenant, tried, "insert", table, door):
                tried.findings.append(f"{role} inserts {into}{why()}")
            update = self._hand_over(table, door, role, table.a) or self._touch(table, door, role)
            if update and self._writes(*update, role, tenant, tried, "update", table, door):
                tried.findings.append(f"{role} changes {into}{why()}")
            delete = self._delete(door, role)
            if delete and self._writes(*delete, role, tenant, tried, "delete", table, door):
                tried.findings.append(f"{role} deletes {into}{why()}")

    def _doors(self, table: _Table) -> list[_Door]:
        views = [_Door(name=sql.SQL(v.quoted), oid=v.oid, takes=v.takes, view=v) for v in table.wall.views if v.takes]
        return [_Door(name=table.name, oid=table.wall.oid), *views]

    def _why(self, table: _Table, door: _Door, role: _Actor) -> Callable[[], str]:
        return lambda: door.through or f": {self._cause(table, role)}"

    def _deletes(self, table: _Table, door: _Door, role: _Actor, tried: Tried) -> None:
        delete = self._delete(door, role)
        if delete is None:
            return
        if table.stranger is None:
            tried.unproved.append(f"{role}: no tenant could be made up to try its deletes with")
        elif self._writes(*delete, role, table.stranger, tried, "delete", table, door):
            tried.findings.append(f"{role} deletes other tenants' rows{self._why(table, door, role)()}")
        if (
            self._owns_up(door, role)
            and self._writes(*delete, role, table.a, tried, "delete", table, door, own=True) is False
        ):
            tried.findings.append(f"{role} may delete, and no policy lets it delete a tenant's own rows")

    def _inserts(self, table: _Table, door: _Door, role: _Actor, tried: Tried) -> None:
        pairs = [(table.a, table.b)] if table.b else []
        for asker, other in [*pairs, (table.stranger, table.a)]:
            if asker is None or other is None:
                continue
            insert = self._insert(table, door, role, other)
            if insert and self._writes(*insert, role, asker, tried, "insert", table, door):
                tried.findings.append(f"{role} inserts other tenants' rows{self._why(table, door, role)()}")
                break
        own = self._insert(table, door, role, table.a) if self._owns_up(door, role) else None
        if own and self._writes(*own, role, table.a, tried, "insert", table, door, own=True) is False:
            tried.findings.append(f"{role} may insert, and no policy lets it insert a tenant's own rows")

    def _updates(self, table: _Table, door: _Door, role: _Actor, tried: Tried) -> None:
        why = self._why(table, door, role)
        take = self._hand_over(table, door, role, table.stranger) if table.stranger else None
        touch = None if take else self._touch(table, door, role)
        if table.stranger is None:
            if self._writable(table, door, role, "update"):
                tried.unproved.append(f"{role}: no tenant could be made up to try its updates with")
        elif take and self._writes(*take, role, table.stranger, tried, "update", table, door):
            tried.findings.append(f"{role} takes over other tenants' rows{why()}")
        elif touch and self._writes(*touch, role, table.stranger, tried, "update", table, door):
            tried.findings.append(f"{role} changes other tenants' rows{why()}")
        other_tenant = table.b or table.stranger
        give = self._hand_over(table, door, role, other_tenant) if other_tenant else None
        if give and self._writes(*give, role, table.a, tried, "update", table, door):
            tried.findings.append(f"{role} hands rows over to another tenant{why()}")
        keep = self._hand_over(table, door, role, table.a) if self._owns_up(door, role) else None
        if keep and self._writes(*keep, role, table.a, tried, "update", table, door, own=True) is False:
            tried.findings.append(f"{role} may update, and no policy lets it update a tenant's own rows")

    @staticmethod
    def _owns_up(door: _Door, role: _Actor) -> bool:
        """Whether it must be able to write a tenant's own rows, by what it was granted; a view or another role needn't."""
        return door.view is None and role.becomes is None

    def _delete(self, door: _Door, role: _Actor) -> _Statement | None:
        if "delete" not in door.takes or not self._may("has_table_privilege", role, door.oid, "delete"):
            return None
        return sql.SQL("delete from {} where {}").format(door.name, _ONE), ()

    def _insert(self, table: _Table, door: _Door, role: _Actor, tenant: str) -> _Statement | None:
        """A tenant's own row once more. Not where a check option is asked only when the row is in: the key refuses it before."""
        columns = self._writable(table, door, role, "insert")
        if not (table.column in columns or set(table.made_of) & set(columns)) or (door.view and door.view.checked):
            return None
        row = self._row(table, tenant)
        listed = sql.SQL(", ").join(map(sql.Identifier, columns))
        insert = sql.SQL(
            "insert into {0} ({1}) overriding system value select {1} from pg_catalog.jsonb_populate_record(null::{2}, %s)"
        ).format(door.name, listed, table.name)
        return (insert, (row,)) if row else None

    def _hand_over(self, table: _Table, door: _Door, role: _Actor, tenant: str) -> _Statement | None:
        """Any row into a tenant's hands."""
        columns = self._writable(table, door, role, "update")
        if table.column in columns:
            update = sql.SQL("update {} set {} = %s::{} where {}").format(
                door.name, sql.Identifier(table.column), sql.SQL(table.type), _ONE
            )
            return update, (tenant,)
        if not table.made_of or not set(table.made_of) <= set(columns) or (row := self._row(table, tenant)) is None:
            return None
        becomes = sql.SQL(", ").join(sql.SQL("{0} = r.{0}").format(sql.Identifier(c)) for c in table.made_of)
        return sql.SQL("update {} set {} from pg_catalog.jsonb_populate_record(null::{}, %s) as r where {}").format(
            door.name, becomes, table.name, _ONE
        ), (row,)

    def _touch(self, table: _Table, door: _Door, role: _Actor) -> _Statement | None:
        """Any row, in a column that says nothing of the tenant, and without reading it."""
        columns = [c for c in self._writable(table, door, role, "update") if c not in (table.column, *table.made_of)]
        if not columns:
            return None
        return sql.SQL("update {} set {} = default where {}").format(door.name, sql.Identifier(columns[-1]), _ONE), ()

    def _writes(
        self,
        statement: sql.Composed,
        parameters: Sequence[Any],
        role: _Actor,
        tenant: str | None,
        tried: Tried,
        what: str,
        table: _Table,
        door: _Door,
        *,
        own: bool = False,
    ) -> bool | None:
        """Whether a row got through; None where that can't be told.

        Args:
            own: it is a tenant's own row, so that getting through is no hole.
        """
        guarded = what in table.guarded or (door.view is not None and door.view.instead)
        try:
            through = self._gets_through(statement, parameters, role, tenant)
            if through and guarded and not own and self.superuser:
                # Whether the wall holds without what the trigger makes of the row.
                through = self._gets_through(statement, parameters, role, tenant, triggers=False)
        except _NOT_TRIED as error:
            tried.unproved.append(f"{role}: {what}: {_line(error)}")
            return None
        except (psycopg.Error, _Refused) as error:
            if table.triggered or guarded:  # a trigger's own refusal
                tried.probes += 1
                return None
            if not tenant or isinstance(
                error, errors.WithCheckOptionViolation
            ):  # whatever asks for a tenant refuses nobody
                tried.probes += 1
                return False
            tried.unproved.append(f"{role}: {what}{door.through}: {_line(error)}")
            return None
        if through and guarded and not own:
            tried.unproved.append(
                f"{role}: {what}{door.through}: a trigger may have changed the row's tenant on its way in"
            )
            return None
        if through is None:
            tried.unproved.append(f"{role}: {what}{door.through}: a trigger kept the row out, or put it elsewhere")
            return None
        tried.probes += 1
        return through

    def _gets_through(
        self,
        statement: sql.Composed,
        parameters: Sequence[Any],
        role: _Actor,
        tenant: str | None,
        *,
        triggers: bool = True,
    ) -> bool | None:
        """Whether a row was written, in the end; None for one that was to be added and neither was nor was refused."""
        try:
            with self._as(role, tenant, read_only=False, triggers=triggers):
                done = self.session.execute(statement, parameters)
                return True if done.rowcount > 0 else None if (done.statusmessage or "").startswith("INSERT") else False
        except _TOOK_EFFECT:
            return True
        except errors.InsufficientPrivilege:
            return False

    def _row(self, table: _Table, tenant: str) -> str | None:
        query = sql.SQL("select pg_catalog.to_jsonb(t) from {} as t where t.{} = %s::{} limit 1").format(
            table.name, sql.Identifier(table.column), sql.SQL(table.type)
        )
        with suppress(psycopg.Error), self._bounded():
            self.session.execute("select pg_catalog.set_config('row_security', 'off', true)")
            row = self.session.execute(query, (tenant,)).fetchone()
            return json.dumps(row[0]) if row else None
        return None

    def _writable(self, table: _Table, door: _Door, role: _Actor, right: str) -> list[str]:
        if right not in door.takes:
            return []
        rows = self._rows(
            "select a.attname::text from pg_catalog.pg_attribute as a "
            "inner join pg_catalog.pg_class as c on a.attrelid = c.oid where c.oid = %s and a.attnum > 0 "
            "and not a.attisdropped and a.attgenerated = '' and (%s = 'insert' or a.attidentity <> 'a') "
            "and (c.relkind <> 'v' or pg_catalog.pg_column_is_updatable(c.oid, a.attnum, true)) "
            "and pg_catalog.has_schema_privilege(%s, c.relnamespace, 'usage') "
            "and pg_catalog.has_column_privilege(%s, c.oid, a.attnum, %s) order by a.attnum",
            (door.oid, right, role.role, role.role, right),
        )
        return [name for (name,) in rows if name in table.plain]

    # -- sessions --------------------------------------------------------------------------------------------------

    def _cause(self, table: _Table, role: _Actor) -> str:
        with suppress(psycopg.Error, _Refused), self._as(role, None):
            row = self.session.execute("select pg_catalog.row_security_active(%s::oid)", (table.wall.oid,)).fetchone()
            if row == (True,):
                return "its policies let it"
        power, owns, on = self._one(
            "select case when r.rolsuper then 'it is a superuser' when r.rolbypassrls then 'it has BYPASSRLS' end, "
            "pg_catalog.pg_has_role(r.oid, c.relowner, 'usage'), c.relrowsecurity "
            "from pg_catalog.pg_roles as r, pg_catalog.pg_class as c where r.rolname = %s and c.oid = %s",
            (role.role, table.wall.oid),
        )
        if not on:
            return "row level security is not enabled"
        return power or (
            "it owns the table, and row level security isn't forced" if owns else "the policies don't bind it"
        )

    def _ask(
        self,
        query: sql.Composed,
        parameters: Sequence[Any],
        role: _Actor,
        tenant: str | None,
        tried: Tried,
        what: str,
    ) -> bool | None:
        """A yes-or-no question; no where the server refuses."""
        try:
            with self._as(role, tenant):
                answer = bool(self._one_as(query, parameters)[0])
        except _Refused as refusal:
            if tenant and not refusal.denied:
                tried.unproved.append(f"{role}: {what}: {refusal}")
                return None
            tried.probes += 1
            return False
        except psycopg.Error as error:
            tried.unproved.append(f"{role}: {what}: {_line(error)}")
            return None
        tried.probes += 1
        return answer

    @contextmanager
    def _bounded(self, *, read_only: bool = True) -> Iterator[None]:
        """A transaction that ends in a rollback."""
        self.session.execute(
            "begin isolation level repeatable read read only" if read_only else "begin isolation level read committed"
        )
        try:
            self.session.execute(
                "select pg_catalog.set_config('statement_timeout', %s, true), pg_catalog.set_config('lock_timeout', %s, true)",
                (str(self.milliseconds), str(LOCK_MILLISECONDS)),
            )
            yield
        finally:
            if not self.session.closed:
                self.session.execute("rollback")

    @contextmanager
    def _as(self, role: _Actor, tenant: str | None, *, read_only: bool = True, triggers: bool = True) -> Iterator[None]:
        """As the application's role, with what is set for its sessions, and what it sets for a tenant."""
        with self._bounded(read_only=read_only):
            if not triggers:
                self.session.execute("select pg_catalog.set_config('session_replication_role', 'replica', true)")
            for name, value in self._set_for(role.login):
                self.session.execute("select pg_catalog.set_config(%s, %s, true)", (name, value))
            self.session.execute(self.become.format(sql.Identifier(role.login)))
            if role.becomes is not None:
                self.session.execute(sql.SQL("set local role {}").format(sql.Identifier(role.becomes)))
            who = self.tenant_of.get(tenant, tenant) if tenant else tenant
            for name, form in self.declared.settings.items() if who is not None else ():
                value = form.replace("{tenant}", who) if who else ""
                self.session.execute("select pg_catalog.set_config(%s, %s, true)", (name, value))
            yield

    def _set_for(self, login: str) -> list[tuple[str, str]]:
        """What policies may read that a role's sessions begin with; the drill's own limits stay its own."""
        if login not in self.of_login:
            ((own,),) = self._rows("select session_user::text", ())
            ours, theirs = (self._rows(SET_FOR_ROLE, (role,)) for role in (own, login))
            # What is set for the drill's own role alone is empty, as for a session that has reset it.
            every = [*((name, "") for name, _ in ours if "." in name), *theirs]
            self.of_login[login] = [(name, value) for name, value in every if "." in name or name in _READ_BY_POLICIES]
        return self.of_login[login]

    def _one_as(self, query: sql.Composed, parameters: Sequence[Any]) -> tuple[Any, ...]:
        try:
            row = self.session.execute(query, parameters).fetchone()
        except _NOT_TRIED:
            raise
        except psycopg.Error as error:
            raise _Refused(error) from error
        assert row is not None
        return tuple(row)

    def _shown_columns(self, role: str, oid: int) -> set[str]:
        rows = self._rows(
            "select a.attname::text from pg_catalog.pg_attribute as a inner join pg_catalog.pg_class as c on a.attrelid = c.oid "
            "where c.oid = %s and a.attnum > 0 and not a.attisdropped "
            "and pg_catalog.has_schema_privilege(%s, c.relnamespace, 'usage') "
            "and pg_catalog.has_column_privilege(%s, c.oid, a.attnum, 'select')",
            (oid, role, role),
        )
        return {name for (name,) in rows}

    def _may(self, function: str, role: _Actor, oid: int, right: str) -> bool:
        asked = sql.SQL(
            "select pg_catalog.{}(%s, %s::oid, %s) and pg_catalog.has_schema_privilege(%s, coalesce("
            "(select c.relnamespace from pg_catalog.pg_class as c where c.oid = %s and %s <> 'execute'), "
            "(select p.pronamespace from pg_catalog.pg_proc as p where p.oid = %s)), 'usage')"
        ).format(sql.Identifier(function))
        return bool(self._one(asked, (role.role, oid, right, role.role, oid, right, oid))[0])

    def _one(self, query: str | sql.Composed, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> tuple[Any, ...]:
        (row,) = self._rows(query, parameters)
        return row

    def _rows(
        self, query: str | sql.Composed, parameters: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        asked = query if isinstance(query, sql.Composable) else query.encode()
        return self.session.execute(asked, parameters).fetchall()


def _others(tenant: str | None) -> str:
    return (
        "other tenants' rows"
        if tenant
        else ("rows without a tenant set" if tenant is None else "rows with an empty tenant")
    )


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


# A tenant's column: its type; what it is generated from; the table's columns that can be written; and at what a trigger,
# by the words of its function, may put another tenant there.
_COLUMN = """
select
    pg_catalog.format_type(a.atttypid, a.atttypmod),
    array(
        select o.attname::text
        from pg_catalog.pg_attrdef as d
        inner join pg_catalog.pg_depend as x
            on d.oid = x.objid and x.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
            and x.refobjid = d.adrelid and x.refobjsubid <> d.adnum
        inner join pg_catalog.pg_attribute as o on o.attrelid = x.refobjid and o.attnum = x.refobjsubid
        where a.attgenerated <> '' and d.adrelid = a.attrelid and d.adnum = a.attnum order by o.attnum
    ),
    array(
        select o.attname::text from pg_catalog.pg_attribute as o
        where o.attrelid = a.attrelid and o.attnum > 0 and not o.attisdropped and o.attgenerated = ''
    ),
    array(
        select distinct e.command
        from pg_catalog.pg_trigger as t
        inner join pg_catalog.pg_proc as p on t.tgfoid = p.oid
        inner join pg_catalog.pg_language as l on p.prolang = l.oid
        inner join (values ('insert', 4), ('update', 16)) as e (command, bit) on t.tgtype & e.bit <> 0
        where
            t.tgrelid = a.attrelid and not t.tgisinternal and t.tgtype & 3 = 3 and t.tgenabled <> 'D'
            and p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace
            and (
                l.lanname <> 'plpgsql'
                or p.prosrc ~* '\\m(new\\s*:?=|into\\s+(strict\\s+)?new\\M|execute\\M)'
                or pg_catalog.lower(a.attname::text)
                    = any (pg_catalog.string_to_array(pg_catalog.regexp_replace(pg_catalog.lower(p.prosrc), '[^\\w$]+', ' ', 'g'), ' '))
                or a.attname !~ '^[\\w$]+$'
            )
    ),
    exists (
        select from pg_catalog.pg_trigger as t
        where t.tgrelid = a.attrelid and not t.tgisinternal and t.tgtype & 3 = 3 and t.tgenabled <> 'D'
    )
from pg_catalog.pg_attribute as a
where a.attrelid = %(table)s and a.attname = %(column)s and not a.attisdropped
"""
