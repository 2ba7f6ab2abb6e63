"""The audit trail, tried: every declared table is written to by every declared role, and what that leaves is looked at.

Each trial is a transaction that is rolled back, with what the role's sessions are set to when they begin. In it a row is
added (a copy of one that is there, under new keys), each of its columns changed, and the row deleted; `truncate` has a
transaction of its own. What a transaction adds to other tables the server itself counts. pgAudit's lines are read as they
are told to our session, and, where the server collects its log and lets us, in the log.
"""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from readiness.drills import DrillError
from readiness.drills.sessions import SET_FOR_ROLE
from readiness.facts.audit import EVENTS, AuditedTable, AuditLogging
from readiness.facts.postgres import APPLICATION_NAME, CONNECT_SECONDS, LOCK_MILLISECONDS
from readiness.profile import AuditEvent

TRIAL_SECONDS = 5.0
LOG_SECONDS = 5.0
_LOG_BYTES = 32 * 1024 * 1024

# What pgAudit logs as a class, tried by a statement that does nothing that a rollback doesn't undo.
_OF_CLASS = {
    "read": "select from pg_temp.readiness_trial",
    "write": "insert into pg_temp.readiness_trial select",
    "function": "do $$ begin end $$",
    "role": "revoke all on table pg_temp.readiness_trial from public",
    "ddl": "alter table pg_temp.readiness_trial add readiness_trial int",
    "misc": "discard plans",
    "misc_set": "set local role none",
}


@dataclass(slots=True)
class Tried:
    """What came of one table, event or class.

    Args:
        sha256: what it stood for when it was tried.
        trials: how many were answered.
        by: what recorded the changes: tables, pgAudit.
        unproved: what could not be tried, in words.
    """

    sha256: str
    trials: int = 0
    by: set[str] = field(default_factory=set)
    findings: list[str] = field(default_factory=list)
    unproved: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What must leave a trail, and where.

    Args:
        roles: who changes the tables.
        trails: quoted tables that hold the trail; empty for any table that holds a row more.
        events: name -> what the platform sends.
        classes: that pgAudit must log.
        tenants: quoted table -> its tenant column.
        owners: quoted table -> SQL that yields (value of that column, whose it is), where the column leads to the tenant.
        settings: name -> value, with `{tenant}` in it: what a session sets to write a tenant's row.
    """

    roles: Sequence[str]
    trails: Sequence[str] = ()
    events: Mapping[str, AuditEvent] = field(default_factory=dict)
    classes: Sequence[str] = ()
    tenants: Mapping[str, str] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Left:
    """What one statement left.

    Args:
        rows: oid of another table -> rows that were added.
        emptied: oids of tables that lost rows.
        mark: what pgAudit's line of it bears.
        told: whether pgAudit told it.
        column: the one that was changed.
        without: triggers that were disabled meanwhile.
        error: why it did not run.
        part: the partition that was named instead of the table.
    """

    event: str
    role: str
    mark: str
    rows: dict[int, int] = field(default_factory=dict)
    emptied: set[int] = field(default_factory=set)
    told: bool = False
    column: str | None = None
    without: tuple[str, ...] = ()
    error: str | None = None
    part: str | None = None


def drill(
    dsn: str,
    tables: Mapping[str, AuditedTable | None],
    logging: AuditLogging,
    declared: Declared,
    *,
    truncates: bool = True,
    seconds: float = TRIAL_SECONDS,
) -> dict[str, Tried]:
    """Try every table that is there, every event and every class; its name -> what came of it.

    Args:
        dsn: of a superuser, best on a copy of the platform that has its rows.
        truncates: whether to try truncate too, which locks a table (and those that refer to it) for a moment.

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
        work = _Work(session, logging, declared, seconds)
        work.ground()
        found: dict[str, Tried] = {}
        trials: dict[str, list[_Left]] = {}
        for name, table in tables.items():
            if table is not None:
                found[name] = Tried(table.sha256)
                trials[name] = work.table(table, found[name], truncates=truncates)
        for name, event in declared.events.items():
            found[f"event {name}"] = Tried("")
            trials[f"event {name}"] = work.event(event, found[f"event {name}"])
        for name in declared.classes:
            found[f"class {name}"] = Tried("")
            trials[f"class {name}"] = work.of_class(name, found[f"class {name}"])
        everything = [left for several in trials.values() for left in several]
        work.read_log([left for left in everything if left.told])
        trails = work.trails(everything, {table.oid for table in tables.values() if table is not None})
        for name, table in tables.items():
            if table is not None:
                work.judge(table, trials[name], trails, found[name])
        for name, event in declared.events.items():
            work.judge_event(event, trials[f"event {name}"], trails, found[f"event {name}"])
        for name in declared.classes:
            work.judge_class(trials[f"class {name}"], found[f"class {name}"])
    for tried in found.values():
        tried.findings, tried.unproved = list(dict.fromkeys(tried.findings)), list(dict.fromkeys(tried.unproved))
    return found


class _Work:
    def __init__(
        self, session: psycopg.Connection[Any], logging: AuditLogging, declared: Declared, seconds: float
    ) -> None:
        self.session = session
        self.logging = logging
        self.declared = declared
        self.milliseconds = max(1, round(seconds * 1000))
        self.notices: list[str] = []
        self.path = self.usual_path = ""
        self.exempt = False
        self.named_trails: set[int] = set()
        self.log_began: tuple[str, int] | None = None
        self.logged: set[str] | None = None
        """The marks that the server's log has; None where it can't be read."""
        session.add_notice_handler(lambda d: self.notices.append(d.message_primary or ""))

    # -- the ground ------------------------------------------------------------------------------------------------

    def ground(self) -> None:
        """See that it can be tried at all.

        Raises:
            DrillError: it can't.
        """
        if not self._one("select r.rolsuper from pg_catalog.pg_roles as r where r.rolname = current_user")[0]:
            raise DrillError(
                "a superuser has to run it: it acts as each role, with the settings that the role's sessions begin with; "
                "best on a copy of the platform"
            )
        for role in (*self.declared.roles, *(e.role for e in self.declared.events.values() if e.role)):
            if not self._rows("select from pg_catalog.pg_roles as r where r.rolname = %s", (role,)):
                raise DrillError(f"there is no role {role!r}; audit.roles, audit.events or services.*.role name it")
        for trail in (*self.declared.trails, *(e.leaves for e in self.declared.events.values() if e.leaves)):
            oid = self._oid(trail)
            if oid is None:
                raise DrillError(f"there is no table {trail}; audit.trails or audit.events names it")
        self.usual_path = self._one("select s.reset_val from pg_catalog.pg_settings as s where s.name = 'search_path'")[
            0
        ]
        self.named_trails = {oid for t in self.declared.trails if (oid := self._oid(t)) is not None}
        self.log_began = self._log_end()

    # -- trials ----------------------------------------------------------------------------------------------------

    def table(self, table: AuditedTable, tried: Tried, *, truncates: bool) -> list[_Left]:
        """Everything that the declared roles may do to a table; what none of them may, its owner does."""
        found: list[_Left] = []
        owner = self._one(
            "select pg_catalog.pg_get_userbyid(c.relowner)::text from pg_catalog.pg_class as c where c.oid = %s",
            (table.oid,),
        )[0]
        roles = {event: [r for r in self.declared.roles if self._may(r, table.oid, event)] for event in EVENTS}
        conditional = [t.name for t in table.triggers if t.hides and t.enabled in ("O", "A")]
        actors = list(dict.fromkeys(r for event in EVENTS[:3] for r in roles[event]))
        orphans = [event for event in EVENTS[:3] if not roles[event]]
        if orphans:
            actors.append(owner)
            for event in orphans:
                roles[event] = [owner]
        for role in dict.fromkeys(actors):
            events = [event for event in EVENTS[:3] if role in roles[event]]
            found += self._changes(table, role, events, tried)
            if conditional:
                found += self._changes(table, role, events, tried, without=conditional)
        if truncates:
            for role in roles["truncate"] or [owner]:
                found += self._truncates(table, role, tried)
            parts = self._rows(_PARTS, (table.oid,))
            for oid, part in parts[:_MOST_PARTS]:
                for role in (r for r in self.declared.roles if self._may(r, oid, "truncate")):
                    found += self._truncates(table, role, tried, part)
            if (more := len(parts) - _MOST_PARTS) > 0:
                tried.unproved.append(f"{more} more partitions may be truncated by their own names")
        else:
            tried.unproved.append("truncate was not tried (--no-truncate)")
        return found

    def _changes(
        self, table: AuditedTable, role: str, events: Sequence[str], tried: Tried, *, without: Sequence[str] = ()
    ) -> list[_Left]:
        """Add a row, change its columns one by one, delete it: by the role what it may do, the rest by ourselves."""
        found: list[_Left] = []
        try:
            with self._as_if(role):
                for trigger in without:
                    disable = sql.SQL("alter table {} disable trigger {}")
                    self.session.execute(disable.format(sql.SQL(table.quoted), sql.Identifier(trigger)))
                self._walk(table, role, events, found, tried)
        except psycopg.Error as error:
            tried.unproved.append(f"{role}: {_line(error)}")
        for left in found:
            left.without = tuple(without)
        return found

    def _walk(self, table: AuditedTable, role: str, events: Sequence[str], found: list[_Left], tried: Tried) -> None:
        name = sql.SQL(table.quoted)
        row = self._rows(sql.SQL("select pg_catalog.to_jsonb(t)::text from {} as t limit 1").format(name))
        if not row:
            tried.unproved.append("it holds no row that a change could be tried with")
            return
        self._tenant(table, row[0][0])
        added, place = self._insert(table, row[0][0], role if "insert" in events else None)
        if added.error:
            tried.unproved.append(f"{role}: insert: {added.error}")
            return
        if "insert" in events:
            found.append(added)
        if "update" in events:
            found += self._updates(table, role, place, tried)
        if "delete" in events:
            delete = sql.SQL("delete from {} as t where {}").format(name, place)
            left = self._do("delete", role, delete, table)
            if left.error and "foreign key" in left.error:
                self._take_out_children(table, place)
                left = self._do("delete", role, delete, table)
            if left.error:
                tried.unproved.append(f"{role}: delete: {left.error}")
            else:
                found.append(left)

    def _insert(self, table: AuditedTable, row: str, role: str | None) -> tuple[_Left, sql.Composable]:
        """Add a copy of a row; what that left, and where the copy lies.

        Under new keys first; where these refer elsewhere, in the place of the very row, which is taken out without a trace.
        """
        name = sql.SQL(table.quoted)
        listed = sql.SQL(", ").join(map(sql.Identifier, table.columns))
        form = sql.SQL(
            "insert into {0} ({1}) overriding system value select {1} from pg_catalog.jsonb_populate_record(null::{0}, {2})"
        )
        left = _Left(event="insert", role=role or "", mark="", error="no copy of its row could be added")
        place: sql.Composable = name
        for copy in dict.fromkeys((self._fresh(table, row), row)):
            if copy is None:
                continue
            place = self._place(table, copy)
            self.session.execute("savepoint copy")
            if copy == row:
                try:
                    self._take_out(name, place)
                except psycopg.Error as error:
                    self.session.execute("rollback to savepoint copy")
                    left.error = left.error or _line(error)
                    continue
            left = self._do("insert", role, form.format(name, listed, sql.Literal(copy)), table)
            if left.error is None:
                break
            self.session.execute("rollback to savepoint copy")
        return left, place

    def _take_out(self, name: sql.Composable, place: sql.Composable) -> None:
        with self._unnoticed():
            self.session.execute(sql.SQL("delete from {} as t where {}").format(name, place))

    def _take_out_children(self, table: AuditedTable, place: sql.Composable) -> None:
        with self._unnoticed():
            for child, columns, keys in self._rows(_CHILDREN, (table.oid,)):
                pairs = [
                    sql.SQL("c.{} = t.{}").format(sql.Identifier(column), sql.Identifier(key))
                    for column, key in zip(columns, keys, strict=True)
                ]
                self.session.execute(
                    sql.SQL("delete from {} as c using {} as t where {} and {}").format(
                        sql.SQL(child), sql.SQL(table.quoted), place, sql.SQL(" and ").join(pairs)
                    )
                )

    @contextmanager
    def _unnoticed(self) -> Iterator[None]:
        """Neither triggers nor foreign keys look."""
        was = self._one("select pg_catalog.current_setting('session_replication_role')")[0]
        self.session.execute("set local session_replication_role = replica")
        yield
        self.session.execute("select pg_catalog.set_config('session_replication_role', %s, true)", (was,))

    def _updates(self, table: AuditedTable, role: str, place: sql.Composable, tried: Tried) -> list[_Left]:
        """Each column, as far as the role may change it, to some other value."""
        partial = any(t.columns for t in table.triggers if "update" in t.events)
        found: list[_Left] = []
        for column, category, unique in self._rows(_UPDATABLE, (table.oid, role)):
            errors_met = []
            for value in self._values(table, column, category, place, unique=unique):
                self.session.execute("savepoint change")
                update = sql.SQL("update {} as t set {} = {} where {}").format(
                    sql.SQL(table.quoted), sql.Identifier(column), value, place
                )
                left = self._do("update", role, update, table)
                self.session.execute("rollback to savepoint change")
                if left.error is None:
                    left.column = column
                    found.append(left)
                    break
                errors_met.append(left.error)
            else:
                if partial:
                    why = errors_met[-1] if errors_met else "no other value is known"
                    tried.unproved.append(f"{role}: update of {column}: {why}")
        if not found:
            tried.unproved.append(f"{role}: update: no column could be changed")
        return found

    def _truncates(self, table: AuditedTable, role: str, tried: Tried, part: str | None = None) -> list[_Left]:
        """Of the table, or of a partition by its own name, where triggers for statements on the table don't fire."""
        left = _Left(event="truncate", role=role, mark="", error="it could not be tried")
        for form in ("truncate {}", "truncate {} cascade"):
            try:
                with self._as_if(role):
                    left = self._do("truncate", role, sql.SQL(form).format(sql.SQL(part or table.quoted)), table)
            except psycopg.Error as error:
                left.error = _line(error)
            # Of an owner, who may drop the trail as well, that is nothing new.
            if left.error is None and "cascade" in form and role in self.declared.roles:
                left.emptied |= {oid for (oid,) in self._rows(_REFERRING, (table.oid,))}
            if left.error is None or "foreign key" not in left.error:
                break
        if left.error:
            tried.unproved.append(f"{role}: truncate: {left.error}")
            return []
        left.part = part
        return [left]

    def event(self, event: AuditEvent, tried: Tried) -> list[_Left]:
        """What the platform sends for it, statement by statement."""
        role = event.role
        found: list[_Left] = []
        try:
            with self._as_if(role):
                for statement in event.sql:
                    left = self._do("event", role, sql.SQL(statement), None)
                    found.append(left)
                    if left.error:
                        tried.unproved.append(left.error)
                        return []
        except psycopg.Error as error:
            tried.unproved.append(_line(error))
            return []
        return found

    def of_class(self, name: str, tried: Tried) -> list[_Left]:
        """A statement of a class, with the settings of each role that has some, and of all others."""
        found: list[_Left] = []
        for sessions in self.logging.sessions:
            try:
                with self._as_if(sessions.role):
                    self.session.execute("create temporary table readiness_trial ()")
                    left = self._do(name, None, sql.SQL(_OF_CLASS[name]), None)
            except psycopg.Error as error:
                left = _Left(event=name, role="", mark="", error=_line(error))
            left.role = sessions.role or ""
            if left.error:
                tried.unproved.append(f"{left.role or 'everybody else'}: {left.error}")
            else:
                found.append(left)
        return found

    # -- one statement ---------------------------------------------------------------------------------------------

    @contextmanager
    def _as_if(self, role: str | None) -> Iterator[None]:
        """A transaction that ends in a rollback, with what is set for the role's sessions when they begin."""
        self.session.execute("begin isolation level read committed")
        try:
            self.path, self.exempt = self.usual_path, False
            for name, value in self._rows(SET_FOR_ROLE, (role,)):
                if name == "search_path":
                    self.path = (
                        value  # for the role alone: nobody's schema shall stand in the way of what we do ourselves
                    )
                    continue
                with suppress(psycopg.Error), self.session.transaction():  # what only counts at a session's start
                    self.session.execute("select pg_catalog.set_config(%s, %s, true)", (name, value))
            sessions = self.logging.of(role or "")
            own = dict(sessions.settings)
            if self.logging.loaded:
                told = own["pgaudit.log_client"] in ("on", "true", "yes", "1")
                own["pgaudit.log_level"] = own["pgaudit.log_level"] if told else "log"
                own |= {"pgaudit.log_client": "on", "pgaudit.log_statement": "on", "pgaudit.log_statement_once": "off"}
                own["client_min_messages"] = "debug5" if own["pgaudit.log_level"].startswith("debug") else "log"
            else:
                own = {name: value for name, value in own.items() if not name.startswith("pgaudit.")}
            own |= {
                "statement_timeout": str(self.milliseconds),
                "lock_timeout": str(LOCK_MILLISECONDS),
                "track_counts": "on",
                "search_path": "pg_catalog",
            }
            for name, value in own.items():
                self.session.execute("select pg_catalog.set_config(%s, %s, true)", (name, value))
            yield
        finally:
            if not self.session.closed:
                self.session.execute("rollback")

    def _do(self, event: str, role: str | None, statement: sql.Composable, table: AuditedTable | None) -> _Left:
        """Run it in a savepoint, as the role (None: as ourselves); what it left.

        Where the policies let the role reach no such row, it is exempt from them for the rest of the transaction: whether
        they hold is another drill's question, and what the trail keeps hangs on triggers and pgAudit.
        """
        left = self._once(event, role, statement, table)
        if left.error and role is not None and not self.exempt and table is not None and self._walled(table.oid):
            self.exempt = True
            left = self._once(event, role, statement, table)
        return left

    def _once(self, event: str, role: str | None, statement: sql.Composable, table: AuditedTable | None) -> _Left:
        left = _Left(event=event, role=role or "", mark=f"readiness {secrets.token_hex(8)}")
        self.session.execute("savepoint trial")
        before = self._counts()
        try:
            if role is not None and self.exempt:
                alter = sql.SQL("/* drill of readiness, rolled back */ alter role {} bypassrls")
                self.session.execute(alter.format(sql.Identifier(role)))
            self.session.execute("select pg_catalog.set_config('search_path', %s, true)", (self.path,))
            if role is not None:
                self.session.execute(sql.SQL("set local session authorization {}").format(sql.Identifier(role)))
            self.notices.clear()
            done = self.session.execute(sql.SQL("/* {} */ {}").format(sql.SQL(left.mark), statement))
            left.told = any(n.startswith("AUDIT: ") and left.mark in n for n in self.notices)
            self.session.execute("reset session authorization")
            self.session.execute("select pg_catalog.set_config('search_path', 'pg_catalog', true)")
            self.session.execute("set constraints all immediate")  # triggers that wait for the end fire now
        except psycopg.Error as error:
            self.session.execute("rollback to savepoint trial")
            left.error = _line(error)
            return left
        if event in EVENTS[:3] and done.rowcount == 0:
            left.error = "it reached no row"
        after = self._counts()
        own = self._family(table.oid) if table else frozenset()
        for oid in (set(before) | set(after)) - own:
            added, gone = (now - was for now, was in zip(after.get(oid, (0, 0)), before.get(oid, (0, 0)), strict=True))
            root = self._root(oid)
            left.rows[root] = left.rows.get(root, 0) + added
            if gone > 0:
                left.emptied.add(root)
        self.session.execute("release savepoint trial")
        return left

    def _tenant(self, table: AuditedTable, row: str) -> None:
        column = self.declared.tenants.get(table.quoted)
        if column is None:
            return
        tenant = self._one("select %s::pg_catalog.jsonb operator(pg_catalog.->>) %s", (row, column))[0]
        if owner := self.declared.owners.get(table.quoted):
            whose = sql.SQL(
                "select (select o.tenant::text from ({}) as o (value, tenant) where o.value::text = %s limit 1)"
            )
            tenant = self._one(whose.format(sql.SQL(owner)), (tenant,))[0]
        for name, form in self.declared.settings.items() if tenant is not None else ():
            self.session.execute("select pg_catalog.set_config(%s, %s, true)", (name, form.replace("{tenant}", tenant)))

    # -- rows ------------------------------------------------------------------------------------------------------

    def _fresh(self, table: AuditedTable, row: str) -> str | None:
        """A row with other values in the columns that must be unique, as far as they refer to no other table."""
        news = []
        for column, kind, category, length in self._rows(_UNIQUE, (table.oid,)):
            quoted, value = sql.Identifier(column), sql.SQL("r.row operator(pg_catalog.->>) {}").format(column)
            if kind == "uuid":
                new: sql.Composable = sql.SQL("pg_catalog.gen_random_uuid()")
            elif category == "N":
                new = sql.SQL("(select coalesce(pg_catalog.max(t.{}), 0) + 1 from {} as t)").format(
                    quoted, sql.SQL(table.quoted)
                )
            elif category == "S":
                new = sql.SQL("pg_catalog.left({} || ({}), {})").format(secrets.token_hex(4), value, length)
            elif category == "D":
                new = sql.SQL("pg_catalog.clock_timestamp() + pg_catalog.random() * interval '9999 days'")
            else:
                continue
            news += [sql.Literal(column), new]
        if not news:
            return None if self._rows(_UNIQUE, (table.oid,)) else row
        query = sql.SQL(
            "select (r.row operator(pg_catalog.||) pg_catalog.jsonb_build_object({}))::text from (select {}::pg_catalog.jsonb as row) as r"
        ).format(sql.SQL(", ").join(news), row)
        fresh: str = self._one(query)[0]
        return fresh

    def _place(self, table: AuditedTable, row: str) -> sql.Composable:
        """Where a row lies, as a condition on `t`."""
        keys = [key for (key,) in self._rows(_KEY, (table.oid,))]
        record = sql.SQL("pg_catalog.jsonb_populate_record(null::{}, {})").format(
            sql.SQL(table.quoted), sql.Literal(row)
        )
        if not keys:
            return sql.SQL("t::text = ({})::text").format(record)
        return sql.SQL(" and ").join(sql.SQL("t.{0} = ({1}).{0}").format(sql.Identifier(key), record) for key in keys)

    def _values(
        self, table: AuditedTable, column: str, category: str, place: sql.Composable, *, unique: bool
    ) -> Iterator[sql.Composable]:
        """Other values of a column, the likeliest to be allowed first: one that another row has, then a made one."""
        name, quoted = sql.SQL(table.quoted), sql.Identifier(column)
        known = sql.SQL(
            "select pg_catalog.jsonb_build_object({literal}, x.{column})::text "
            "from (select y.{column} from {table} as y limit 1000) as x, {table} as t "
            "where {place} and x.{column}::text is distinct from t.{column}::text and x.{column} is not null limit 1"
        ).format(literal=column, column=quoted, table=name, place=place)
        labels = sql.SQL(
            "select pg_catalog.jsonb_build_object({literal}, e.enumlabel)::text from pg_catalog.pg_enum as e "
            "inner join pg_catalog.pg_attribute as a on e.enumtypid = a.atttypid and a.attrelid = {oid} "
            "and a.attname = {literal} inner join {table} as t on {place} "
            "where e.enumlabel is distinct from t.{column}::text order by e.enumsortorder"
        ).format(literal=column, column=quoted, table=name, place=place, oid=table.oid)
        for (record,) in [*([] if unique else self._rows(known)), *(self._rows(labels) if category == "E" else [])]:
            yield sql.SQL("(pg_catalog.jsonb_populate_record(null::{}, {})).{}").format(
                name, sql.Literal(record), quoted
            )
        made = {
            "N": "coalesce(t.{c}, 0) + 1",
            "S": "coalesce(t.{c}::text, '') || 'x'",
            "B": "not coalesce(t.{c}, false)",
            "D": "coalesce(t.{c}, pg_catalog.now()) + interval '1 day'",
            "T": "coalesce(t.{c}, interval '0') + interval '1 day'",
        }.get(category)
        if made is not None:
            yield sql.SQL(made).format(c=quoted)
        elif category == "U":
            for text in (str(uuid.uuid4()), json.dumps({"readiness": secrets.token_hex(4)})):
                yield sql.Literal(text)
        null = sql.SQL("select from {} as t where {} and t.{} is not null").format(name, place, quoted)
        if self._rows(null):
            yield sql.SQL("null")

    # -- what it means ---------------------------------------------------------------------------------------------

    def trails(self, everything: Sequence[_Left], audited: set[int]) -> frozenset[int]:
        """The tables that hold the trail: the declared ones, or those that a change or a deletion adds rows to.

        An insert alone is no sign: a trigger may add a first child to what is new.
        """
        if self.named_trails:
            return frozenset(self.named_trails)
        signs = [left for left in everything if left.event in EVENTS[1:]]
        return frozenset(oid for left in signs for oid, rows in left.rows.items() if rows > 0) - audited

    def judge(self, table: AuditedTable, lefts: Sequence[_Left], trails: frozenset[int], tried: Tried) -> None:
        """What the trials of a table say of its trail."""
        written: set[int] = set()
        plain: dict[tuple[str, str], list[_Left]] = {}
        for left in lefts:
            written |= {oid for oid in trails if left.rows.get(oid, 0) > 0}
            if left.part is not None:
                tried.trials += 1
                if not self._by(left, trails):
                    tried.findings.append(
                        f"{left.role}: truncate of {left.part} by its own name leaves no trail: no trigger of its own fires on it"
                    )
                continue
            plain.setdefault((left.role, left.event), []).append(left)
        for (role, event), several in plain.items():
            tried.trials += len(several)
            tried.by |= {by for left in several if not left.without for by in self._by(left, trails)}
            silent = [left for left in several if not left.without and not self._by(left, trails)]
            asked = [left for left in several if not left.without]
            if silent:
                which = event if len(silent) == len(asked) else f"update of {', '.join(str(s.column) for s in silent)}"
                tried.findings.append(f"{role}: {which} leaves no trail: {self._cause(table, silent[0])}")
            hanging = [left for left in several if left.without and not self._by(left, trails)]
            if hanging and not silent:
                conditions = "; ".join(
                    f"{t.name} when {t.condition}" for t in table.triggers if t.name in hanging[0].without
                )
                tried.findings.append(
                    f"{role}: {event} leaves a trail only as a trigger's condition lets it: {conditions}"
                )
            for oid in sorted({oid for left in several for oid in left.emptied} & trails):
                tried.findings.append(f"{role}: {event} takes rows out of the trail {self._name(oid)}")
        for role in self.declared.roles:
            for oid in sorted(written):
                rights = [r for r in ("update", "delete", "truncate") if self._may(role, oid, r)]
                if rights:
                    tried.findings.append(f"{role} may {', '.join(rights)} the trail {self._name(oid)} itself")
            if silencers := self._silencers(role, triggers=bool(written), pgaudit="pgAudit" in tried.by):
                tried.findings.append(f"{role} may set {', '.join(silencers)}, and so silence the trail")

    def judge_event(self, event: AuditEvent, lefts: Sequence[_Left], trails: frozenset[int], tried: Tried) -> None:
        if not lefts:
            return
        tried.trials += len(lefts)
        wanted = self._oid(event.leaves) if event.leaves else None
        if wanted is not None:
            if sum(left.rows.get(wanted, 0) for left in lefts) > 0:
                tried.by.add(str(event.leaves))
            else:
                tried.findings.append(f"it leaves no row in {event.leaves}")
            return
        tried.by |= {by for left in lefts for by in self._by(left, trails)}
        if not tried.by:
            tried.findings.append("it leaves no record: no row in a trail, and no line of pgAudit's")

    def judge_class(self, lefts: Sequence[_Left], tried: Tried) -> None:
        tried.trials += len(lefts)
        for left in lefts:
            if self._by(left, frozenset()):
                tried.by.add("pgAudit")
            else:
                tried.findings.append(f"{left.role or 'everybody else'}: it is not logged: {self._unlogged(left)}")

    def _by(self, left: _Left, trails: frozenset[int]) -> list[str]:
        """What recorded it."""
        found = [self._name(oid) for oid in sorted(trails) if left.rows.get(oid, 0) > 0]
        reached = left.mark in self.logged if self.logged is not None else self.logging.of(left.role).heard
        return [*found, "pgAudit"] if left.told and reached else found

    def _unlogged(self, left: _Left) -> str:
        sessions = self.logging.of(left.role)
        if not self.logging.loaded:
            return "pgAudit is not loaded"
        if left.told:
            return f"pgAudit's line doesn't reach the log (log_min_messages = {sessions.settings['log_min_messages']})"
        return f"pgaudit.log = {sessions.settings['pgaudit.log']}"

    def _cause(self, table: AuditedTable, left: _Left) -> str:
        """Why a change left nothing, as far as the catalog tells."""
        sessions = self.logging.of(left.role)
        of_event = [t for t in table.triggers if left.event in t.events]
        firing = [t for t in of_event if t.fires(left.event, replica=sessions.replica)]
        partly = [t for t in firing if t.columns or t.hides]
        parts = []
        if sessions.replica:
            parts.append("session_replication_role = replica silences its triggers")
        elif silent := [t.name for t in of_event if t not in firing]:
            parts.append(f"disabled: {', '.join(silent)}")
        if partly:
            parts += [
                f"{t.name} leaves it out ({f'when {t.condition}' if t.hides else 'update of ' + ', '.join(t.columns)})"
                for t in partly
            ]
        elif firing:
            parts.append(f"{', '.join(t.name for t in firing)} adds no row to a trail")
        elif not of_event:
            parts.append("no trigger fires on it")
        if self.logging.loaded:
            parts.append(self._unlogged(left))
        return "; ".join(parts)

    def _silencers(self, role: str, *, triggers: bool, pgaudit: bool) -> list[str]:
        """Settings that only superusers set, but for who was granted them (PostgreSQL 15)."""
        names = ["session_replication_role"] * triggers + ["pgaudit.log", "log_min_messages"] * pgaudit
        if self.session.info.server_version < 150000:
            return []
        asked = (
            "select p.name from pg_catalog.unnest(%s::text[]) as p (name), pg_catalog.pg_roles as r "
            "where r.rolname = %s and not r.rolsuper and pg_catalog.has_parameter_privilege(r.oid, p.name, 'set') order by 1"
        )
        return [name for (name,) in self._rows(asked, (names, role))]

    # -- the server's log ------------------------------------------------------------------------------------------

    def _log_end(self) -> tuple[str, int] | None:
        """The file that the server's log goes to now, and its size; None where it is not collected."""
        row = self._rows(
            "select l.file, (pg_catalog.pg_stat_file(l.file)).size from (select pg_catalog.pg_current_logfile() as file) as l "
            "where l.file is not null"
        )
        return row[0] if row else None

    def read_log(self, lefts: Sequence[_Left]) -> None:
        """Look in the server's log for pgAudit's lines, and wait a little for those that should be there."""
        if self.log_began is None or not lefts:
            return
        file, size = self.log_began
        due = {left.mark for left in lefts if self.logging.of(left.role).heard}
        deadline = time.monotonic() + LOG_SECONDS
        while True:
            now = self._log_end()
            rotated = self._file(now[0], 0) if now and now[0] != file else ""
            lines = [line for line in f"{self._file(file, size)}\n{rotated}".splitlines() if "AUDIT: " in line]
            self.logged = {left.mark for left in lefts if any(left.mark in line for line in lines)}
            if due <= self.logged or time.monotonic() > deadline:
                return
            time.sleep(0.05)

    def _file(self, name: str, start: int) -> str:
        content: bytes = self._one(
            "select pg_catalog.pg_read_binary_file(%s, %s, %s, true)", (name, start, _LOG_BYTES)
        )[0]
        return (content or b"").decode("utf-8", "replace")

    # -- the catalog -----------------------------------------------------------------------------------------------

    def _counts(self) -> dict[int, tuple[int, int]]:
        """The rows, by oid, that this transaction added to a table, and took out of it."""
        return {oid: (added, gone) for oid, added, gone in self._rows(_COUNTS)}

    def _family(self, oid: int) -> frozenset[int]:
        rows = self._rows("select t.relid::pg_catalog.int8 from pg_catalog.pg_partition_tree(%s) as t", (oid,))
        return frozenset({oid, *(r for (r,) in rows)})

    def _root(self, oid: int) -> int:
        root: int = self._one(
            "select coalesce(pg_catalog.pg_partition_root(%s)::pg_catalog.oid::pg_catalog.int8, %s)", (oid, oid)
        )[0]
        return root

    def _name(self, oid: int) -> str:
        return str(
            self._one(
                "select pg_catalog.format('%%I.%%I', n.nspname, c.relname) from pg_catalog.pg_class as c "
                "inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid where c.oid = %s",
                (oid,),
            )[0]
        )

    def _oid(self, name: str) -> int | None:
        found: int | None = self._one("select pg_catalog.to_regclass(%s)::pg_catalog.oid::pg_catalog.int8", (name,))[0]
        return found

    def _walled(self, oid: int) -> bool:
        return bool(self._one("select c.relrowsecurity from pg_catalog.pg_class as c where c.oid = %s", (oid,))[0])

    def _may(self, role: str, oid: int, right: str) -> bool:
        asked = "select pg_catalog.has_table_privilege(%s, %s::oid, %s)"
        if right in ("insert", "update"):
            asked = "select pg_catalog.has_any_column_privilege(%s, %s::oid, %s)"
        return bool(self._one(asked, (role, oid, right))[0])

    def _one(self, query: str | sql.Composable, parameters: Sequence[Any] = ()) -> tuple[Any, ...]:
        (row,) = self._rows(query, parameters)
        return row

    def _rows(self, query: str | sql.Composable, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        asked = query.as_bytes(self.session) if isinstance(query, sql.Composable) else query.encode()
        return self.session.execute(asked, parameters or None).fetchall()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


_COUNTS = """
select c.oid::pg_catalog.int8, n.added, n.gone
from pg_catalog.pg_class as c
cross join lateral (
    select
        pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) as added,
        pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) as gone
) as n
where c.relkind = 'r' and c.oid >= 16384 and c.relpersistence <> 't' and (n.added > 0 or n.gone > 0)
"""

_KEY = """
select a.attname::text
from (
    select i.indrelid, i.indkey::pg_catalog.int2[] as columns
    from pg_catalog.pg_index as i
    where
        i.indrelid = %s and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
        and not exists (
            select
            from pg_catalog.pg_attribute as a
            where a.attrelid = i.indrelid and a.attnum = any (i.indkey::pg_catalog.int2[]) and not a.attnotnull
        )
    order by i.indisprimary desc, i.indexrelid
    limit 1
) as k
inner join pg_catalog.pg_attribute as a on k.indrelid = a.attrelid and a.attnum = any (k.columns)
order by a.attnum
"""

# Columns that a unique index or an exclusion constraint reads, in an expression too, and no foreign key.
_UNIQUE = """
select
    a.attname::text,
    pg_catalog.format_type(coalesce(nullif(y.typbasetype, 0), a.atttypid), null),
    y.typcategory::text,
    case when a.atttypmod > 4 then a.atttypmod - 4 else 10000 end
from pg_catalog.pg_attribute as a
inner join pg_catalog.pg_type as y on a.atttypid = y.oid
where
    a.attrelid = %s and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    and exists (
        select
        from pg_catalog.pg_index as i
        where
            i.indrelid = a.attrelid and (i.indisunique or i.indisexclusion)
            and (
                a.attnum = any (i.indkey::pg_catalog.int2[])
                or exists (
                    select
                    from pg_catalog.pg_depend as d
                    where
                        d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = i.indexrelid
                        and d.refobjid = a.attrelid and d.refobjsubid = a.attnum
                )
            )
    )
    and not exists (
        select
        from pg_catalog.pg_constraint as f
        where f.conrelid = a.attrelid and f.contype = 'f' and a.attnum = any (f.conkey)
    )
order by a.attnum
"""

# Columns that a role may change, but for the key by which the row is found.
_UPDATABLE = """
select
    a.attname::text,
    y.typcategory::text,
    exists (
        select
        from pg_catalog.pg_index as i
        inner join pg_catalog.pg_depend as d on i.indexrelid = d.objid
        where
            i.indrelid = a.attrelid and (i.indisunique or i.indisexclusion)
            and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            and d.refobjid = a.attrelid and d.refobjsubid = a.attnum
    )
from pg_catalog.pg_attribute as a
inner join pg_catalog.pg_type as y on a.atttypid = y.oid
where
    a.attrelid = %s and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attidentity <> 'a'
    and pg_catalog.has_column_privilege(%s, a.attrelid, a.attnum, 'update')
order by a.attnum
"""

# What refers to a table and would not let a row go.
_CHILDREN = """
select
    pg_catalog.format('%%I.%%I', n.nspname, c.relname),
    array(
        select a.attname::text
        from pg_catalog.unnest(f.conkey) with ordinality as k (attnum, at)
        inner join pg_catalog.pg_attribute as a on f.conrelid = a.attrelid and k.attnum = a.attnum
        order by k.at
    ),
    array(
        select a.attname::text
        from pg_catalog.unnest(f.confkey) with ordinality as k (attnum, at)
        inner join pg_catalog.pg_attribute as a on f.confrelid = a.attrelid and k.attnum = a.attnum
        order by k.at
    )
from pg_catalog.pg_constraint as f
inner join pg_catalog.pg_class as c on f.conrelid = c.oid
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where f.confrelid = %s and f.contype = 'f' and f.conparentid = 0 and f.confdeltype in ('a', 'r')
order by f.oid
"""

_MOST_PARTS = 50
# The partitions below a table, of which each can be named itself.
_PARTS = """
with recursive below (oid) as (
    select i.inhrelid
    from pg_catalog.pg_inherits as i
    inner join pg_catalog.pg_class as c on i.inhrelid = c.oid and c.relispartition
    where i.inhparent = %s
    union
    select i.inhrelid
    from below as b
    inner join pg_catalog.pg_inherits as i on b.oid = i.inhparent
)
select c.oid::pg_catalog.int8, pg_catalog.format('%%I.%%I', ns.nspname, c.relname)
from below as b
inner join pg_catalog.pg_class as c on b.oid = c.oid and c.relkind in ('r', 'p')
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
order by 2
"""

_REFERRING = """
with recursive referring (oid) as (
    select %s::pg_catalog.oid
    union
    select f.conrelid
    from referring as r
    inner join pg_catalog.pg_constraint as f on r.oid = f.confrelid and f.contype = 'f'
)
select r.oid::pg_catalog.int8 from referring as r
"""
