"""Row level security, tried: every declared role reads and writes every tenant table, as this tenant, that one, and nobody.

Each probe is a transaction of its own that is rolled back; those that read are read-only beside. What writes touches one
row at most: the row counts itself in a setting, in a `where` that reads no column (reading one would bring the policies
for select in, and hide a hole that an update without `where` has). An insert is another's own row once more: the server
asks the policies before the primary key, so that which of the two refuses it tells whether the wall holds, and no row
comes to be.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import errors, sql

from readiness.drills import DrillError
from readiness.facts.postgres import APPLICATION_NAME, CONNECT_SECONDS, LOCK_MILLISECONDS
from readiness.facts.walls import Definer, Part, View, Wall

PROBE_SECONDS = 5.0
_MOST_PARTS = 50

# True for the first row that gets this far: the policies, as barriers, go before it.
_ONE = sql.SQL(
    "pg_catalog.set_config('readiness.probed', (coalesce(nullif(pg_catalog.current_setting('readiness.probed', true), ''),"
    " '0')::pg_catalog.int4 + 1)::pg_catalog.text, true)::pg_catalog.int4 <= 1"
)
_TOOK_EFFECT = errors.IntegrityError  # a constraint spoke, which it does only of a row that the policies let through
_NOT_TRIED = (errors.QueryCanceled, errors.LockNotAvailable, errors.OperationalError)


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
    guarded: bool
    """Whether a trigger looks at rows before they are written: what it changes or refuses is part of the wall."""

    def others_of(self, tenant: str | None) -> list[str] | None:
        """What must not be shown to a tenant; None for whatever is not its own."""
        if not self.values:
            return self.others
        return [value for who, theirs in self.values.items() if who != tenant for value in theirs]


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
        # A setting that was ever set is '' from then on, in this session: first as it is for a new one.
        for tenant in (None, "", "a", "b", "stranger"):
            for table in tables:
                for role in declared.roles:
                    who = getattr(table, tenant) if tenant else tenant
                    if tenant and who is None:
                        continue
                    work.reads(table, role, who, found[table.wall.quoted])
        for table in tables:
            for role in declared.roles:
                work.rights(table, role, found[table.wall.quoted])
                if writes:
                    work.writes(table, role, found[table.wall.quoted])
                else:
                    found[table.wall.quoted].unproved.append(f"{role}: what it may write was not tried (--read-only)")
    for tried in found.values():
        tried.findings, tried.unproved = _distinct(tried.findings), list(dict.fromkeys(tried.unproved))
    return found


def _distinct(findings: Sequence[str]) -> list[str]:
    """Each once; who sees others' rows as a tenant needs no word on what is seen as nobody."""
    as_tenant = {f.replace(_others("t"), _others(who)) for f in findings if _others("t") in f for who in (None, "")}
    return [f for f in dict.fromkeys(findings) if f not in as_tenant]


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
        self.milliseconds = max(1, round(seconds * 1000))
        row = self._one("select r.rolsuper from pg_catalog.pg_roles as r where r.rolname = current_user")
        # What a policy sees as session_user is the application's too, where we may.
        self.become = sql.SQL("set local session authorization {}" if row[0] else "set local role {}")

    # -- the ground ------------------------------------------------------------------------------------------------

    def roles_exist(self) -> None:
        for role in self.declared.roles:
            if not self._rows("select from pg_catalog.pg_roles as r where r.rolname = %s", (role,)):
                raise DrillError(f"there is no role {role!r}; row_security.roles or services.*.role name it")
            try:
                with self._as(role, None):
                    pass
            except (errors.InsufficientPrivilege, _Refused) as error:
                raise DrillError(
                    f"the drill's role may not act as {role!r}; run it as a superuser, or: grant the role to it"
                ) from error

    def table(self, name: str, wall: Wall | None, tried: Tried) -> _Table | None:
        """What to try a table with; None, and why, where it can't be."""
        assert wall is not None
        column = self.declared.columns.get(name)
        if column is None:
            tried.unproved.append("which column holds the tenant is not declared (row_security.column or .columns)")
            return None
        facts = self._rows(
            "select pg_catalog.format_type(a.atttypid, a.atttypmod), exists (select from pg_catalog.pg_trigger as t "
            "where t.tgrelid = a.attrelid and not t.tgisinternal and t.tgtype & 3 = 3 and t.tgenabled <> 'D') "
            "from pg_catalog.pg_attribute as a where a.attrelid = %s and a.attname = %s and not a.attisdropped",
            (wall.oid, column),
        )
        if not facts:
            raise DrillError(f"{name} has no column {column!r}; mend row_security.column or .columns")
        kind, guarded = facts[0]
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
            guarded=guarded,
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

    def reads(self, table: _Table, role: str, tenant: str | None, tried: Tried) -> None:
        """As a role, as a tenant (None: nothing set; '': set to nothing): see one's own rows, and no other's."""
        seen = self._shown_columns(role, table.wall.oid)
        column = sql.Identifier(table.column)
        if table.column in seen:
            if self._shows(table, table.name, column, role, tenant, tried):
                cause = self._cause(table, role)
                tried.findings.append(f"{role} sees {_others(tenant)}: {cause}")
            elif tenant in (table.a, table.b):
                own = sql.SQL("select exists (select from {} as t where t.{}::text = %s)").format(table.name, column)
                answer = self._ask(own, (tenant,), role, tenant, tried, "its own rows", closed=None)
                if answer is False:
                    tried.findings.append(f"{role} doesn't see a tenant's own rows")
        elif seen:
            tried.unproved.append(f"{role}: it may read other columns than the tenant's; what it sees can't be told")
        for view in table.wall.views:
            columns = self._shown_columns(role, view.oid)
            if table.column in columns:
                if self._shows(table, sql.SQL(view.quoted), column, role, tenant, tried):
                    tried.findings.append(f"{role} sees {_others(tenant)} through the view {view.quoted}")
            elif columns and view.exempt and tenant is None:
                self._whole_view(view, role, tried)
        for definer in table.wall.definers:
            self._call(definer, table, role, tenant, tried)
        for part in table.wall.parts[:_MOST_PARTS]:
            if table.column in self._shown_columns(role, part.oid) and self._shows(
                table, sql.SQL(part.quoted), column, role, tenant, tried
            ):
                tried.findings.append(f"{role} sees {_others(tenant)} in {part.quoted}, asked by its own name")

    def _shows(
        self, table: _Table, where: sql.Composable, column: sql.Composable, role: str, tenant: str | None, tried: Tried
    ) -> bool:
        """Whether it shows rows of another tenant; rows of none are nobody's secret."""
        query = sql.SQL(
            "select exists (select from {0} as t where t.{1}::text <> %s and (%s::text[] is null or t.{1}::text = any (%s)))"
        ).format(where, column)
        others = table.others_of(tenant)
        return (
            self._ask(query, (tenant or "", others, others), role, tenant, tried, "others' rows", closed=False) is True
        )

    def _whole_view(self, view: View, role: str, tried: Tried) -> None:
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
            tried.unproved.append(f"{role}: the view {view.quoted}: {_line(error)}")
            return
        tried.probes += 1
        if theirs is None or theirs[0] == 0:
            return
        if theirs == ours:
            tried.findings.append(f"without a tenant {role} sees all of the view {view.quoted}")
        else:
            tried.unproved.append(
                f"{role}: the view {view.quoted} passes over the policies, and doesn't tell the tenant"
            )

    def _call(self, definer: Definer, table: _Table, role: str, tenant: str | None, tried: Tried) -> None:
        if not self._may("has_function_privilege", role, definer.oid, "execute"):
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

    def rights(self, table: _Table, role: str, tried: Tried) -> None:
        if self._may("has_table_privilege", role, table.wall.oid, "truncate"):
            tried.findings.append(f"{role} may truncate it, and no policy holds that back")
        exempt = self._rows(
            "select r.rolname::text from pg_catalog.pg_roles as r "
            "inner join pg_catalog.pg_class as c on c.oid = %s "
            "inner join pg_catalog.pg_roles as me on me.rolname = %s and not me.rolsuper "
            "where r.oid <> me.oid and pg_catalog.pg_has_role(me.oid, r.oid, 'member') "
            "and (r.rolsuper or r.rolbypassrls or (c.relowner = r.oid and not c.relforcerowsecurity)) order by 1",
            (table.wall.oid, role),
        )
        tried.probes += 2
        tried.findings.extend(f"{role} may become {name}, whom the policies don't bind" for (name,) in exempt)
        for part in table.wall.parts[:_MOST_PARTS]:
            self._part(part, role, tried)
        if (more := len(table.wall.parts) - _MOST_PARTS) > 0:
            tried.unproved.append(f"{role}: {more} more tables below it can be asked by their own names")

    def _part(self, part: Part, role: str, tried: Tried) -> None:
        """What may be written in a partition by its own name, where the table's policies don't count."""
        rights = [
            right
            for right, function in (
                ("insert", "has_any_column_privilege"),
                ("update", "has_any_column_privilege"),
                ("delete", "has_table_privilege"),
                ("truncate", "has_table_privilege"),
            )
            if self._may(function, role, part.oid, right)
        ]
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

    def writes(self, table: _Table, role: str, tried: Tried) -> None:
        """As a role: one's own rows can be written, as far as rights say it; no other's, and none into another's hands."""
        if self._may("has_any_column_privilege", role, table.wall.oid, "insert"):
            self._inserts(table, role, tried)
        updatable = self._writable(table, role, "update")
        if updatable:
            self._updates(table, role, updatable, tried)
        if self._may("has_table_privilege", role, table.wall.oid, "delete"):
            delete = sql.SQL("delete from {} where {}").format(table.name, _ONE)
            if table.stranger is None:
                tried.unproved.append(f"{role}: no tenant could be made up to try its deletes with")
            elif self._writes(delete, (), role, table.stranger, tried, "delete", table):
                tried.findings.append(f"{role} deletes another tenant's rows: {self._cause(table, role)}")
            if self._writes(delete, (), role, table.a, tried, "delete", table) is False:
                tried.findings.append(f"{role} may delete, and no policy lets it delete a tenant's own rows")

    def _inserts(self, table: _Table, role: str, tried: Tried) -> None:
        columns = self._writable(table, role, "insert")
        if table.column not in columns:
            return
        listed = sql.SQL(", ").join(map(sql.Identifier, columns))
        insert = sql.SQL(
            "insert into {0} ({1}) overriding system value select {1} from pg_catalog.jsonb_populate_record(null::{0}, %s)"
        ).format(table.name, listed)
        pairs = [(table.a, table.b)] if table.b else []
        for asker, other in [*pairs, (table.stranger, table.a)]:
            if asker is None or other is None:
                continue
            row = self._row(table, other)
            if row and self._writes(insert, (row,), role, asker, tried, "insert", table):
                tried.findings.append(f"{role} inserts rows as another tenant's: {self._cause(table, role)}")
                break
        row = self._row(table, table.a)
        if row and self._writes(insert, (row,), role, table.a, tried, "insert", table) is False:
            tried.findings.append(f"{role} may insert, and no policy lets it insert a tenant's own rows")

    def _updates(self, table: _Table, role: str, updatable: Sequence[str], tried: Tried) -> None:
        column = sql.Identifier(table.column)
        if table.column not in updatable:
            other = sql.Identifier(updatable[0])
            update = sql.SQL("update {} set {} = {} where {}").format(table.name, other, other, _ONE)
            if table.stranger and self._writes(update, (), role, table.stranger, tried, "update", table):
                tried.findings.append(f"{role} changes another tenant's rows: {self._cause(table, role)}")
            return
        hand_over = sql.SQL("update {} set {} = %s::{} where {}").format(table.name, column, sql.SQL(table.type), _ONE)
        if table.stranger is None:
            tried.unproved.append(f"{role}: no tenant could be made up to try its updates with")
        elif self._writes(hand_over, (table.stranger,), role, table.stranger, tried, "update", table):
            tried.findings.append(f"{role} takes over another tenant's rows: {self._cause(table, role)}")
        other_tenant = table.b or table.stranger
        if other_tenant and self._writes(hand_over, (other_tenant,), role, table.a, tried, "update", table):
            tried.findings.append(f"{role} hands rows over to another tenant: {self._cause(table, role)}")
        if self._writes(hand_over, (table.a,), role, table.a, tried, "update", table) is False:
            tried.findings.append(f"{role} may update, and no policy lets it update a tenant's own rows")

    def _writes(
        self,
        statement: sql.Composed,
        parameters: Sequence[Any],
        role: str,
        tenant: str,
        tried: Tried,
        what: str,
        table: _Table,
    ) -> bool | None:
        """Whether a row got through; None where that can't be told."""
        through = False
        try:
            with self._as(role, tenant, read_only=False):
                through = self.session.execute(statement, parameters).rowcount > 0
        except _TOOK_EFFECT:
            through = True
        except _NOT_TRIED as error:
            tried.unproved.append(f"{role}: {what}: {_line(error)}")
            return None
        except errors.InsufficientPrivilege:
            pass
        except (psycopg.Error, _Refused) as error:
            if table.guarded:  # a trigger's own refusal
                tried.probes += 1
                return None
            tried.unproved.append(f"{role}: {what}: {_line(error)}")
            return None
        if through and table.guarded and what != "delete":
            tried.unproved.append(f"{role}: {what}: a trigger may have changed the row's tenant on its way in")
            return None
        tried.probes += 1
        return through

    def _row(self, table: _Table, tenant: str) -> str | None:
        query = sql.SQL("select pg_catalog.to_jsonb(t) from {} as t where t.{} = %s::{} limit 1").format(
            table.name, sql.Identifier(table.column), sql.SQL(table.type)
        )
        with suppress(psycopg.Error), self._bounded():
            self.session.execute("select pg_catalog.set_config('row_security', 'off', true)")
            row = self.session.execute(query, (tenant,)).fetchone()
            return json.dumps(row[0]) if row else None
        return None

    def _writable(self, table: _Table, role: str, right: str) -> list[str]:
        rows = self._rows(
            "select a.attname::text from pg_catalog.pg_attribute as a where a.attrelid = %s and a.attnum > 0 "
            "and not a.attisdropped and a.attgenerated = '' and (%s = 'insert' or a.attidentity <> 'a') "
            "and pg_catalog.has_column_privilege(%s, a.attrelid, a.attnum, %s) order by a.attnum",
            (table.wall.oid, right, role, right),
        )
        return [name for (name,) in rows]

    # -- sessions --------------------------------------------------------------------------------------------------

    def _cause(self, table: _Table, role: str) -> str:
        with suppress(psycopg.Error, _Refused), self._as(role, None):
            row = self.session.execute("select pg_catalog.row_security_active(%s::oid)", (table.wall.oid,)).fetchone()
            if row == (True,):
                return "its policies let it"
        power, owns, on = self._one(
            "select case when r.rolsuper then 'it is a superuser' when r.rolbypassrls then 'it has BYPASSRLS' end, "
            "pg_catalog.pg_has_role(r.oid, c.relowner, 'usage'), c.relrowsecurity "
            "from pg_catalog.pg_roles as r, pg_catalog.pg_class as c where r.rolname = %s and c.oid = %s",
            (role, table.wall.oid),
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
        role: str,
        tenant: str | None,
        tried: Tried,
        what: str,
        *,
        closed: bool | None,
    ) -> bool | None:
        """A yes-or-no question; `closed` where the server refuses."""
        try:
            with self._as(role, tenant):
                answer = bool(self._one_as(query, parameters)[0])
        except _Refused as refusal:
            if tenant and not refusal.denied:
                tried.unproved.append(f"{role}: {what}: {refusal}")
                return None
            tried.probes += 1
            return closed
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
    def _as(self, role: str, tenant: str | None, *, read_only: bool = True) -> Iterator[None]:
        """As the application's role, with what it sets for a tenant."""
        with self._bounded(read_only=read_only):
            self.session.execute(self.become.format(sql.Identifier(role)))
            who = self.tenant_of.get(tenant, tenant) if tenant else tenant
            for name, form in self.declared.settings.items() if who is not None else ():
                value = form.replace("{tenant}", who) if who else ""
                self.session.execute("select pg_catalog.set_config(%s, %s, true)", (name, value))
            yield

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

    def _may(self, function: str, role: str, oid: int, right: str) -> bool:
        asked = sql.SQL("select pg_catalog.{}(%s, %s::oid, %s)").format(sql.Identifier(function))
        return bool(self._one(asked, (role, oid, right))[0])

    def _one(self, query: str | sql.Composed, parameters: Sequence[Any] = ()) -> tuple[Any, ...]:
        (row,) = self._rows(query, parameters)
        return row

    def _rows(self, query: str | sql.Composed, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
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
