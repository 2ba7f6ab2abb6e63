"""Remedies tried on a scratch copy of the schema: what applies, what it proves, and what a copy without rows can't prove.

The copy has the source's schema, its roles and their memberships, and no row, no statistics, no settings, no services. So like is
compared with like: the copy is audited as it is first, and only a check that says there what it says of the source (the
same status, the same counts, the same findings with the same remedies) is reproduced. For those the audit after the remedies is a proof. All others
keep what the source showed, whatever the copy says.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo, sql

from readiness import audit, embedded, profile, recount, remedies, scoring
from readiness.audit import Request
from readiness.document import CheckPart, RunDocument
from readiness.embedded import Cluster, Runtime
from readiness.model import CheckResult, Count, Examined, Status, scope_of
from readiness.recount import Weighed
from readiness.remedies import Migration, Phase, Remedy
from readiness.scoring import Scorecard

DUMP_SECONDS = 300


class RehearsalError(Exception):
    """The schema can't be copied, or the copy not be audited: one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A remedy that the copy refused, in the server's words."""

    remedy: Remedy
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What came of it.

    Args:
        migrations: of the remedies that applied.
        promised: the score when all of them mend what they are for, counted by arithmetic: the source's other checks stay. Moves to
            other schemas promise nothing: what was missing is looked at after them.
        provable: the same, of the checks that the copy reproduces.
        proven: of the source, with what the copy showed afterwards in the reproduced checks that have remedies.
        with_the_rest: when moves to other schemas are applied too, with every reproduced check: what the remedies touched beside
            what they are for counts as well.
        touched: those others that say something else than before, with their statuses.
        moved: check -> points that it proved beyond what was promised of it (or short of it).
        unproven: checks with remedies that a copy without rows can't prove, with the points promised.
        undone: migrations that were undone and applied again, and left the schema as it was before.
        not_undone: migration -> why it was not.
        notes: what of the schema could not be copied.
    """

    migrations: tuple[Migration, ...]
    refused: tuple[Refused, ...]
    promised: Scorecard
    provable: Scorecard
    proven: Scorecard
    with_the_rest: Scorecard
    touched: tuple[str, ...]
    moved: Mapping[str, Fraction]
    unproven: Mapping[str, Fraction]
    undone: tuple[str, ...]
    not_undone: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """Whether the proven score reaches the one that was promised, to the tenth."""
        return scoring.tenths(self.proven.total.floor) >= scoring.tenths(self.provable.total.floor)


def rehearse(
    request: Request,
    run: RunDocument,
    found: Sequence[Remedy],
    *,
    runtime: Runtime | None = None,
    told: Callable[[str], None] = lambda _step: None,
) -> Rehearsal:
    """Apply remedies to a scratch copy of the audited schema, and audit it before and after.

    Args:
        request: as the run was asked for; its database is the source.
        run: the source's.

    Raises:
        RehearsalError: the schema can't be copied.
        EmbeddedError: no scratch server can be had.
        recount.Unreadable: the run can't be weighed again.
    """
    weighed = recount.weigh(run)
    with embedded.cluster(runtime, purpose="rehearsal", settings={"max_connections": 30}) as cluster:
        told("copying the schema")
        source = _source_dsn(request)
        copy = _Copy(cluster, run.target.database or "copy", run.target.role or "readiness")
        notes = copy.take(source)
        told("auditing the copy as it is")
        before = _audited(request, copy)
        same = _reproduced(run, before)
        told(f"trying {len(found)} remedies")
        accepted, refused = _tried(copy, found)
        titles = {c.id: c.title for c in run.checks}
        made = remedies.migrations(accepted, titles)
        told(f"applying {len(made)} migrations")
        copy.renew()
        moves = [m for m in made if m.phase is Phase.MOVES]
        _apply_all(copy, [m for m in made if m not in moves])
        told("auditing the copy after them")
        after = at_last = recount.weigh(_audited(request, copy))
        if moves:
            _apply_all(copy, moves)
            at_last = recount.weigh(_audited(request, copy))
        told("undoing each, and applying it again")
        copy.renew()
        undone, not_undone = _walked(copy, made)
    in_place = [r for r in accepted if r.phase is not Phase.MOVES]
    mends = {(r.check, r.subject) for r in in_place}
    own = same & {r.check for r in in_place}
    promised = _with(weighed, {c: _mended(r, mends, weighed) for c, r in _by_id(weighed).items()})
    provable = _with(weighed, {c: _mended(r, mends, weighed) for c, r in _by_id(weighed).items() if c in same})
    proven = _with(weighed, {c: r for c, r in _by_id(after).items() if c in own})
    with_the_rest = _with(weighed, {c: r for c, r in _by_id(at_last).items() if c in same})
    earned = {name: _added(card) for name, card in (("provable", provable), ("proven", proven), ("promised", promised))}
    now = _added(weighed.card)
    return Rehearsal(
        migrations=tuple(made),
        refused=tuple(refused),
        promised=promised,
        provable=provable,
        proven=proven,
        with_the_rest=with_the_rest,
        moved={c: d for c, p in earned["provable"].items() if (d := earned["proven"][c] - p)},
        touched=tuple(
            f"{c}: {r.status.value} -> {other.status.value}"
            for c, r in sorted(_by_id(weighed).items())
            if c in same - own
            and (other := _by_id(at_last)[c])
            and (r.status, r.credit) != (other.status, other.credit)
        ),
        unproven={c: d for c, p in earned["promised"].items() if c not in same and (d := p - now[c])},
        undone=tuple(undone),
        not_undone=not_undone,
        notes=tuple(notes),
    )


# -- weighing --------------------------------------------------------------------------------------------------


def _by_id(weighed: Weighed) -> dict[str, CheckResult]:
    return {r.check.id: r for r in weighed.results}


def _added(card: Scorecard) -> dict[str, Fraction]:
    return {s.result.check.id: s.points * s.earned for s in card.standings}


def _with(weighed: Weighed, others: Mapping[str, CheckResult]) -> Scorecard:
    results = [others.get(r.check.id, r) for r in weighed.results]
    return scoring.score(weighed.policy, results, weighed.scopes)


def _mended(result: CheckResult, mends: set[tuple[str, str]], weighed: Weighed) -> CheckResult:
    """The result when the findings that a migration is for are healthy, and nothing else moved."""
    outcome = result.outcome
    if not isinstance(outcome, Examined):
        return result
    owned = frozenset(o for s in weighed.scopes for o in s.objects)
    tally = dict(outcome.tally)
    observations = []
    for o in outcome.observations:
        if o.ok or (result.check.id, o.subject) not in mends:
            observations.append(o)
            continue
        scope = scope_of(o.subject, o.kind or result.check.subject_kind, owned)
        count = tally.get(scope)
        if count is None or count.ok >= count.examined:
            observations.append(o)
            continue
        tally[scope] = Count(examined=count.examined, ok=count.ok + 1, unseen=count.unseen)
        observations.append(replace(o, ok=True, remedy=None))
    mended = replace(outcome, observations=tuple(observations), tally=tally)
    return replace(result, outcome=mended, waived=frozenset(), waiver_expires=None)


def _reproduced(run: RunDocument, copy: RunDocument) -> frozenset[str]:
    """The checks that say of the copy what they say of the source."""
    there = {c.id: c for c in copy.checks}
    return frozenset(c.id for c in run.checks if c.id in there and _saying(c) == _saying(there[c.id]) and _looked(c))


def _looked(check: CheckPart) -> bool:
    return check.status is not Status.UNKNOWN


def _saying(check: CheckPart) -> tuple[Any, ...]:
    # With the remedies: what is mended otherwise there (an extension, where its library is not loaded either) is another defect.
    return check.status, check.credit_exact, check.tally, {(f.fingerprint, f.remedy) for f in check.findings}


# -- auditing the copy -----------------------------------------------------------------------------------------


def _audited(request: Request, copy: _Copy) -> RunDocument:
    """An audit of the copy by the same role and policy. Services are not asked: they don't run on it."""
    prof = request.profile.profile
    services = {
        name: s.model_copy(update={"url": None, "health": None, "dsn": None}) for name, s in prof.services.items()
    }
    database = prof.database.model_copy(update={"dsn": None})
    stripped = prof.model_copy(update={"services": services, "stores": {}, "queries": {}, "database": database})
    source: profile.Source = request.profile.model_copy(update={"profile": stripped})
    return audit.audit(
        replace(request, profile=source, dsn=copy.auditor(), evidence=None, strict=False, only=(), skip=())
    ).document


def _source_dsn(request: Request) -> str:
    own = request.profile.profile.database.dsn
    return request.dsn or (own.get_secret_value() if own else "")


# -- the copy --------------------------------------------------------------------------------------------------


class _Copy:
    """A database of the source's name with its schema, and a pristine one beside it to begin anew from."""

    PRISTINE = "readiness_pristine"

    def __init__(self, cluster: Cluster, database: str, role: str) -> None:
        self.cluster, self.database, self.role = cluster, database, role
        self.password = cluster.password
        self._roles: frozenset[str] = frozenset()

    def connect(self) -> psycopg.Connection[Any]:
        return self.cluster.connect(self.database)

    def auditor(self) -> str:
        return self.cluster.dsn(self.database, user=self.role, password=self.password)

    def take(self, source: str) -> list[str]:
        """Copy roles and schema; what could not be copied."""
        with _connected(source) as there, self.cluster.connect() as here:
            notes = _copy_roles(there, here, self.cluster.superuser)
            _execute(here, sql.SQL("create database {} template template0").format(sql.Identifier(self.PRISTINE)))
            login = sql.SQL("alter role {} login password {}")
            _execute(here, login.format(sql.Identifier(self.role), sql.Literal(self.password)))
            self._roles = _roles(here)
        dumped = _dump(self.cluster, source)
        notes += self._load(dumped)
        self.renew()
        return notes

    def renew(self) -> None:
        """The database as it was copied."""
        with self.cluster.connect() as admin:
            name, pristine = sql.Identifier(self.database), sql.Identifier(self.PRISTINE)
            if self.database != "postgres":
                _execute(admin, sql.SQL("drop database if exists {} with (force)").format(name))
                for role in sorted(_roles(admin) - self._roles):  # roles are the whole server's
                    _execute(admin, sql.SQL("drop role {}").format(sql.Identifier(role)))
                _execute(admin, sql.SQL("create database {} template {}").format(name, pristine))

    def schema(self) -> str:
        """A fingerprint of the whole schema."""
        return hashlib.sha256(_without_keys(_dump(self.cluster, self.cluster.dsn(self.database))).encode()).hexdigest()

    def _load(self, dumped: str) -> list[str]:
        script = self.cluster.workshop.folder / "schema.sql"
        script.touch(0o600)
        script.write_text(dumped, encoding="utf-8")
        self.cluster.give(script)
        done = self.cluster.tool("psql", "-X", "-q", "-d", self.PRISTINE, "-f", str(script), check=False)
        errors = [line.partition("ERROR:")[2].strip() for line in done.stderr.splitlines() if "ERROR:" in line]
        return [f"not copied: {e}" for e in dict.fromkeys(errors)]


def _roles(connection: psycopg.Connection[Any]) -> frozenset[str]:
    return frozenset(name for (name,) in connection.execute("select rolname from pg_catalog.pg_roles").fetchall())


def _execute(connection: psycopg.Connection[Any], statement: sql.Composed) -> None:
    connection.execute(statement)


@contextmanager
def _connected(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    try:
        connection = psycopg.connect(dsn, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise RehearsalError(f"the schema can't be copied: {str(error).strip().splitlines()[-1]}") from error
    with connection:
        yield connection


_ROLES = """
select r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolreplication, r.rolbypassrls
from pg_catalog.pg_roles as r
where r.rolname !~ '^pg_'
order by r.rolname
"""
_MEMBERS = """
select g.rolname as granted, m.rolname as member, a.admin_option
from pg_catalog.pg_auth_members as a
inner join pg_catalog.pg_roles as g on a.roleid = g.oid
inner join pg_catalog.pg_roles as m on a.member = m.oid
where m.rolname !~ '^pg_'
order by granted, member
"""
_ATTRIBUTES = ("superuser", "inherit", "createrole", "createdb", "login", "replication", "bypassrls")


def _copy_roles(there: psycopg.Connection[Any], here: psycopg.Connection[Any], own: str) -> list[str]:
    notes = []
    for name, *flags in there.execute(_ROLES).fetchall():
        words = " ".join(a if on else f"no{a}" for a, on in zip(_ATTRIBUTES, flags, strict=True))
        if name != own:
            _execute(here, sql.SQL("create role {} {}").format(sql.Identifier(name), sql.SQL(words)))
    for granted, member, admin in there.execute(_MEMBERS).fetchall():
        option = sql.SQL(" with admin option") if admin else sql.SQL("")
        try:
            grant = sql.SQL("grant {} to {}").format(sql.Identifier(granted), sql.Identifier(member))
            _execute(here, grant + option)
        except psycopg.Error as error:
            notes.append(f"not copied: {granted} granted to {member}: {error.diag.message_primary}")
    return notes


def _dump(cluster: Cluster, dsn: str) -> str:
    """The schema as pg_dump writes it: it takes a short lock that only DDL conflicts with, and waits 5 s for it at most."""
    given = {k: str(v) for k, v in conninfo.conninfo_to_dict(dsn).items() if v is not None}
    password = given.pop("password", None)
    env = cluster.runtime.env() | {k: v for k, v in os.environ.items() if k.startswith("PG")}
    if password is not None:
        env["PGPASSWORD"] = password  # not among the arguments, which everybody can read
    arguments: list[str | Path] = [
        *(cluster.runtime.bindir / "pg_dump", "--schema-only", "--no-password", "--lock-wait-timeout=5s"),
        *("--no-publications", "--no-subscriptions", "--no-tablespaces", "--no-security-labels"),
        *("--dbname", conninfo.make_conninfo("", **given)),
    ]
    done = cluster.workshop.run(arguments, check=False, text=True, env=env, cwd="/")
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()][-3:]
        raise RehearsalError(
            f"the schema can't be copied: {' '.join(said)}; pg_dump takes a role that may read every table "
            f"(`readiness role-sql --tier 4`)"
        )
    return str(done.stdout)


def _without_keys(dumped: str) -> str:
    """Newer versions of pg_dump fence the script with a random word."""
    return "".join(
        line for line in dumped.splitlines(keepends=True) if not line.startswith(("\\restrict", "\\unrestrict"))
    )


# -- trying ----------------------------------------------------------------------------------------------------


def _tried(copy: _Copy, found: Sequence[Remedy]) -> tuple[list[Remedy], list[Refused]]:
    """Each remedy behind those that applied before it, in the order in which the migrations will have them."""
    accepted: list[Remedy] = []
    refused: list[Refused] = []
    done: set[str] = set()
    with copy.connect() as connection:
        for remedy in found:
            try:
                _apply_remedy(connection, remedy, done)
            except psycopg.Error as error:
                said = error.diag.message_primary or str(error)
                refused.append(Refused(remedy=remedy, said=said))
            else:
                accepted.append(remedy)
                done |= {s.sql for s in remedy.steps}
    return accepted, refused


def _apply_remedy(connection: psycopg.Connection[Any], remedy: Remedy, done: set[str]) -> None:
    steps = [s for s in remedy.steps if s.sql not in done]
    if all(s.tied for s in steps):
        with connection.transaction():
            for s in steps:
                for statement in (*s.settings, s.sql):
                    connection.execute(statement.encode())
        return
    for s in steps:
        connection.execute(s.sql.encode())


def _walked(copy: _Copy, made: Sequence[Migration]) -> tuple[list[str], dict[str, str]]:
    """Apply every migration; those that have a way back are undone and applied again, and the schema compared."""
    undone: list[str] = []
    not_undone: dict[str, str] = {}
    with copy.connect() as connection:
        for at, m in enumerate(made):
            before = copy.schema() if m.down else ""
            _apply(connection, m.up, tied=m.tied)
            if m.down is None:
                not_undone[m.name] = "no way back could be derived"
            if not m.down:
                undone += [m.name] if m.down is not None else []
                continue
            try:
                _apply(connection, m.down, tied=m.tied)
            except psycopg.Error as error:
                not_undone[m.name] = f"the way back was refused: {error.diag.message_primary}"
                continue
            same = copy.schema() == before
            try:
                _apply(connection, m.up, tied=m.tied)
            except psycopg.Error as error:
                not_undone[m.name] = f"it can't be applied again after it was undone: {error.diag.message_primary}"
                not_undone |= {later.name: "not walked, behind one that failed" for later in made[at + 1 :]}
                break
            if same:
                undone.append(m.name)
            else:
                not_undone[m.name] = "the way back leads to another schema than before"
    return undone, not_undone


def _apply_all(copy: _Copy, made: Sequence[Migration]) -> None:
    with copy.connect() as connection:
        for m in made:
            _apply(connection, m.up, tied=m.tied)


def _apply(connection: psycopg.Connection[Any], statements: Sequence[str], *, tied: bool) -> None:
    if tied:
        with connection.transaction():
            for statement in statements:
                connection.execute(statement.encode())
        return
    for statement in statements:
        connection.execute(statement.encode())
