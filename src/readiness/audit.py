"""One audit, end to end: look, judge, weigh. The one place that knows all rooms."""

from __future__ import annotations

import fnmatch
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from psycopg import conninfo

from readiness import document, foreign, pack, policy, profile, register, requirements, runner, scoring, teamstore
from readiness.authoring import Check, PackError, Unobservable
from readiness.document import CostPart, DrillPart, PolicyPart, Question, Run, RunDocument, TargetPart, TrendPart
from readiness.facts import capacity
from readiness.facts.capacity import EarlierFigures
from readiness.facts.cost import Cost
from readiness.facts.drills import DrillRecord, DrillRecords
from readiness.facts.http import HealthProbe, HealthProbes
from readiness.facts.lanes import Lanes
from readiness.facts.postgres import Postgres
from readiness.facts.server import CatalogMark, Server
from readiness.facts.target import Target
from readiness.history import OutcomeRecord, RunRecord, Store, StoreError
from readiness.model import CheckResult, Reason, Scalar, Unknown, always_quoted
from readiness.redaction import Redactor
from readiness.scoring import Scorecard, ServiceScope
from readiness.teamstore import TeamStore
from readiness.yamldoc import ConfigError

DISTRIBUTION = "readiness"

SECRETS = ("password", "sslpassword", "oauth_client_secret")
"""The keys of a connection string that nobody may see."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def _untold(_progress: object) -> None:
    """Nobody watches."""


class NothingAudited(Exception):  # noqa: N818
    """No target at all could be audited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one audit is asked to do.

    Args:
        dsn: goes before the profile's; empty means the profile's, then libpq's own sources.
        name: what the run is filed under, where that is not the profile's name.
        only, skip: patterns of check ids; what they leave out is unknown (not_selected).
        evidence: the store's file, or a team's Postgres; None keeps nothing.
        on_start, on_result: told of progress.
    """

    profile: profile.Source
    policy: policy.Source
    dsn: str = ""
    name: str = ""
    only: Sequence[str] = ()
    skip: Sequence[str] = ()
    as_superuser: bool = False
    strict: bool = False
    evidence: teamstore.Place | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    redactor: Redactor = field(default_factory=Redactor)
    now: Callable[[], datetime] = utc_now
    on_start: Callable[[int], None] = _untold
    on_result: Callable[[CheckResult], None] = _untold


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """An audit's document, its scorecard, and whether it was cut short (by which exception)."""

    document: RunDocument
    card: Scorecard
    interrupted: BaseException | None = None
    not_strict: tuple[str, ...] = ()
    """Under `strict`: what is wrong with the waivers and attestations; the audit counts as misconfigured."""

    @property
    def unkept(self) -> str | None:
        """Why it is not in the evidence store; None where it is, or was not to be."""
        return next((note for note in self.document.notes if note.startswith(_NOT_KEPT)), None)


_NOT_KEPT = "this run is not kept"


def built_in_checks() -> list[Check]:
    """Our own checks. They enter by the entry point that a stranger's would; ours are those that we ship.

    Raises:
        PackError: one of them is broken.
    """
    own = [e for e in entry_points(group="readiness.packs") if e.dist is not None and e.dist.name == DISTRIBUTION]
    return pack.in_order([check for e in own for check in pack.load(e.value, name=e.name)])


def all_checks(source: policy.Source) -> list[Check]:
    """Our own checks, and those of the packs that the policy names.

    Raises:
        ConfigError: a pack is broken, or the policy names a check or parameter that there is not.
    """
    try:
        checks = pack.in_order(
            [*built_in_checks(), *(c for name in source.policy.packs for c in foreign.load(name, source.folder))]
        )
    except PackError as error:
        raise ConfigError(*str(error).splitlines()) from error
    policy.check_names(source, checks)
    return checks


def check_names(source: profile.Source, checks: Sequence[Check]) -> None:
    """See that a profile's plan names checks that there are.

    Raises:
        ConfigError: it names one that there is not.
    """
    known = [c.info.id for c in checks]
    where = source.path or source.profile.name
    if problems := [
        f"{where}: {place}: {policy.unknown_check(name, known)}"
        for place, name in requirements.checks_named(source.profile)
        if name not in known
    ]:
        raise ConfigError(*dict.fromkeys(problems))


def audit(request: Request) -> Audit:
    """Audit a platform.

    Raises:
        ConfigError: the request can't be carried out as it stands.
        NothingAudited: neither the database nor any service answered.
    """
    checks = all_checks(request.policy)
    check_names(request.profile, checks)
    chosen = selection(checks, only=request.only, skip=request.skip)
    started_at, started = request.now(), time.perf_counter()
    prof = request.profile.profile
    request.redactor.learn(profile.secrets_of(prof))
    for dsn in (*profile.dsns_of(prof), *profile.environments_of(prof), *profile.consoles_of(prof)):
        learn_secrets(request.redactor, dsn, request.environment)
    signed = register.load(
        waivers=_register_file(request.profile, prof.waivers, register.WAIVERS_FILE),
        attestations=_register_file(request.profile, prof.attestations, register.ATTESTATIONS_FILE),
        checks={c.info.id: c.info for c in checks},
        policy=request.policy.policy,
        today=started_at.date(),
        profile=prof.name,
    )
    postgres = connect(request)
    store, notes = _open_store(request)
    try:
        return _audit(request, checks, chosen, signed, postgres, store, notes, started_at, started)
    finally:
        postgres.close()
        if store:
            store.close()


def _audit(
    request: Request,
    checks: Sequence[Check],
    chosen: Callable[[str], bool],
    signed: register.Register,
    postgres: Postgres,
    store: Store | TeamStore | None,
    notes: list[str],
    started_at: datetime,
    started: float,
) -> Audit:
    prof = request.profile.profile
    server, mark, refusal = _first_look(postgres)
    if server is None and not any(s.url for s in prof.services.values()):
        assert refusal is not None
        raise NothingAudited(request.redactor.text(refusal.detail))
    if server is not None and server.superuser:
        notes.append(
            f"audited as the superuser {server.role}: a read-only transaction is no boundary for one; "
            f"`readiness role-sql` prints a role that can only look"
        )
        if not request.as_superuser:
            _refuse_as_superuser(checks)
    identity = request.name or target_name(prof, server)
    target = Target(
        profile=prof,
        folder=request.profile.folder,
        now=started_at,
        environment=request.environment,
        ignored_schemas=request.policy.policy.ignored_schemas,
        trust_profile_sql=request.as_superuser or (server is not None and not server.superuser),
        owned_tables=frozenset(t for s in prof.services.values() for t in map(_always_quoted, s.tables)),
    )
    drills = DrillRecords(
        records=_drills(store, identity, notes),
        now=started_at,
        system_identifier=server.system_identifier if server else None,
    )
    # What the first look found holds for the whole run: a second one might find another server, or another role.
    facts = runner.Facts(
        {
            Target: target,
            Postgres: postgres,
            DrillRecords: drills,
            EarlierFigures: _figures(store, identity, drills.system_identifier, started_at, notes),
            Server: server or refusal,
        }
    )
    results, interrupted = _ask_all(request, checks, chosen, facts, started_at)
    if server is None and not interrupted and not _any_service_answers(facts):
        assert refusal is not None
        raise NothingAudited(f"{request.redactor.text(refusal.detail)}; and no service answered either")
    if server is None and refusal is not None:
        notes.append(f"the database could not be audited: {refusal.detail}")
    mixed: str | None = None
    if server is not None and not interrupted:
        mixed, moved = _moved_ground(postgres, server, mark)
        notes += moved
    finished_at = request.now()
    results, attested = register.attest(results, signed, finished_at)
    results, waived = register.waive(results, signed, finished_at)
    scopes = service_scopes(prof)
    trend, last, scores = _earlier(
        store, identity, request.policy.policy.sha256, document.checkset_sha256(checks), notes
    )
    card = scoring.score(request.policy.policy, results, scopes, mixed_evidence=mixed)
    built = document.build(
        Run(
            id=f"{started_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}",
            target=TargetPart(
                name=identity,
                title=prof.title,
                server_version=server.version if server else None,
                database=server.database if server else None,
                role=server.role if server else None,
                system_identifier=server.system_identifier if server else None,
                superuser=server.superuser if server else None,
                profile=str(request.profile.path) if request.profile.path else None,
                profile_lines=dict(request.profile.lines),
            ),
            started_at=started_at,
            finished_at=finished_at,
            seconds=time.perf_counter() - started,
            partial=interrupted is not None,
            mixed_evidence=mixed,
            notes=notes,
            policy=PolicyPart(
                name=request.policy.policy.name,
                threshold=request.policy.policy.threshold,
                sha256=request.policy.policy.sha256,
                body=request.policy.policy.model_dump(mode="json"),
            ),
            checkset_sha256=document.checkset_sha256(checks),
            tool=document.THIS_TOOL,
            card=card,
            questions={c.info.id: question(c, request.policy.policy) for c in checks},
            plan=requirements.plan_of(prof),
            scores=scores,
            trend=trend,
            last=last,
            services_of={r.check.id: scoring.one_service(r, scopes) for r in results},
            waivers=waived,
            attestations=attested,
            drills=[_drill_part(r, request.redactor) for r in drills.records],
            cost=_cost(postgres, server, facts),
        ),
        request.redactor,
    )
    if store is not None and not store.read_only:
        built = _keep(store, built)
    not_strict = tuple(
        f"{e.entry.check}: {e.state.value}: {e.note} (--strict)"
        for e in register.unused([*waived, *attested])
        if request.strict
    )
    return Audit(document=built, card=card, interrupted=interrupted, not_strict=not_strict)


def _cost(postgres: Postgres, server: Server | None, facts: runner.Facts) -> CostPart | None:
    if server is None:
        return None
    lanes = facts.taken(Lanes)
    cost = Cost.of([postgres] if lanes is None else lanes.sessions, server)
    return CostPart(
        statements=cost.statements,
        longest_ms=round(cost.longest_ms, 1),
        rested_seconds=round(cost.rested_seconds, 3),
        cpu_ms=None if cost.cpu_ms is None else round(cost.cpu_ms, 1),
        blocks=cost.blocks,
    )


def question(check: Check, in_policy: policy.Policy) -> Question:
    """What a check asks, as the run document shows it."""
    if check.source.startswith("/*---"):
        return Question("sql", pack.for_psql(check.source, in_policy.ignored_schemas, check.variants))
    return Question("python", check.source)


_TREND = 12  # earlier runs that a report draws


def _earlier(
    store: Store | TeamStore | None, target: str, policy_sha256: str, checkset: str, notes: list[str]
) -> tuple[list[TrendPart], RunDocument | None, list[tuple[datetime, Fraction]]]:
    """The target's earlier whole runs, oldest first; the newest that compares with this one; scores of all that compare."""
    if store is None:
        return [], None, []
    try:
        records = [r for r in store.runs(target, limit=_TREND) if not r.partial]
        scores = requirements.by_day(store.scores(target, policy_sha256=policy_sha256, checkset_sha256=checkset))
    except StoreError as error:
        notes.append(f"earlier runs were not seen: {error}")
        return [], None, []
    like_this = [r for r in records if (r.policy_sha256, r.checkset_sha256) == (policy_sha256, checkset)]
    trend = [
        TrendPart(
            run=r.id,
            finished_at=r.finished_at,
            decision=r.decision,
            score=scoring.tenths(Fraction(r.score)),
            ceiling=scoring.tenths(Fraction(r.ceiling)),
            comparable=r in like_this,
        )
        for r in reversed(records)
    ]
    try:
        return trend, RunDocument.model_validate(like_this[0].document) if like_this else None, scores
    except ValueError:  # of an older version that said less
        return trend, None, scores


def target_name(prof: profile.Profile, server: Server | None) -> str:
    """What runs and drills are filed under: the profile's name, or without a profile the database's."""
    return server.database if server is not None and prof.unnamed else prof.name


def service_scopes(prof: profile.Profile) -> list[ServiceScope]:
    return [
        ServiceScope(
            name=name,
            title=s.title or name,
            needs_change=s.needs_change,
            objects=frozenset([*map(always_quoted, map(_bare, s.schemas)), *map(_always_quoted, s.tables)]),
            roles=frozenset({always_quoted(_bare(s.role))} if s.role else ()),
            queries=frozenset(q for q, query in prof.queries.items() if query.service == name),
        )
        for name, s in prof.services.items()
    ]


def _bare(name: str) -> str:
    """A plain name from the profile as an identifier whose quotes are doubled."""
    return '"' + name.replace('"', '""') + '"'


def _always_quoted(table: str) -> str:
    """`auth."Odd"` as `"auth"."Odd"`."""
    return ".".join(always_quoted(found) for found in re.findall(r'"(?:[^"]|"")+"|[^."]+', table))


def connect(request: Request) -> Postgres:
    """A session with the audited database; nothing is sent yet.

    Raises:
        ConfigError: the connection string can't be parsed.
    """
    prof = request.profile.profile
    dsn = request.dsn or (prof.database.dsn.get_secret_value() if prof.database.dsn else "")
    learn_secrets(request.redactor, dsn, request.environment)
    try:
        return Postgres(
            dsn,
            statement_seconds=prof.probing.statement_seconds,
            share_when_busy=prof.probing.share_when_busy,
        )
    except ValueError as error:
        where = "--database" if request.dsn else "database.dsn"
        raise ConfigError(f"{where}: {error}") from None


def without_secrets(dsn: str) -> str:
    """A connection string that can be parsed, less its passwords, as `key=value`: what a file may keep of it."""
    parts: dict[str, Any] = {key: value for key, value in conninfo.conninfo_to_dict(dsn).items() if key not in SECRETS}
    return conninfo.make_conninfo(**parts)


# libpq's, and those of the client that asks S3.
_SECRET_VARIABLES = ("PGPASSWORD", "PGSSLPASSWORD", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def learn_secrets(redactor: Redactor, dsn: str, environment: Mapping[str, str]) -> None:
    """Every password that libpq may come to know: from the DSN, the environment, the passfile, the service file."""
    redactor.learn([environment.get(name) for name in _SECRET_VARIABLES])
    try:
        parsed = conninfo.conninfo_to_dict(dsn)
    except Exception:  # noqa: BLE001  told elsewhere; what looks like a password is struck out all the same
        redactor.learn(re.findall(r"://[^:/@]*:([^@]+)@", dsn) + re.findall(r"password\s*=\s*'?([^'\s]+)", dsn))
        return
    public = [str(parsed.get(key, "")) for key in ("user", "dbname", "host")]
    redactor.learn([str(parsed.get(key, "")) for key in SECRETS], public=public)
    home = Path(environment.get("HOME") or "/nonexistent")
    passfile = Path(str(parsed.get("passfile") or environment.get("PGPASSFILE") or home / ".pgpass"))
    for line in _lines(passfile):
        fields = re.split(r"(?<!\\):", line, maxsplit=4)
        if len(fields) == 5:
            redactor.learn([re.sub(r"\\(.)", r"\1", fields[4])], public=fields[:4])
    services = Path(environment.get("PGSERVICEFILE") or home / ".pg_service.conf")
    redactor.learn(line.partition("=")[2].strip() for line in _lines(services) if line.strip().startswith("password"))


def _lines(path: Path) -> list[str]:
    try:
        if not path.is_file() or path.stat().st_size > 1_000_000:
            return []
        return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []


def selection(checks: Sequence[Check], *, only: Sequence[str], skip: Sequence[str]) -> Callable[[str], bool]:
    """Which checks are asked.

    Raises:
        ConfigError: a pattern matches no check.
    """
    ids = [c.info.id for c in checks]
    for option, patterns in (("--only", only), ("--skip", skip)):
        for p in patterns:
            if not fnmatch.filter(ids, p):
                raise ConfigError(f"{option} {p}: {policy.unknown_check(p, ids)}")
    left = {i for i in ids if not only or any(fnmatch.fnmatchcase(i, p) for p in only)}
    left -= {i for i in ids if any(fnmatch.fnmatchcase(i, p) for p in skip)}
    return left.__contains__


def _register_file(source: profile.Source, named: str | None, default: str) -> Path | None:
    """The file that the profile names, which must be there, or the default one beside it, if it is."""
    path = source.folder / (named or default)
    if named and not path.is_file():
        raise ConfigError(f"{source.path or source.profile.name}: {named}: there is no such file")
    return path if path.is_file() else None


def _open_store(request: Request) -> tuple[Store | TeamStore | None, list[str]]:
    if request.evidence is None:
        return None, []
    if isinstance(request.evidence, str):
        learn_secrets(request.redactor, request.evidence, request.environment)
    try:
        store = teamstore.open_place(request.evidence, now=request.now())
    except StoreError as error:
        return None, [f"{_NOT_KEPT}, and earlier evidence was not seen: {error}"]
    return store, list(store.notes)


def _drills(store: Store | TeamStore | None, target: str, notes: list[str]) -> tuple[DrillRecord, ...]:
    if store is None:
        return ()
    try:
        return tuple(store.drills(target))
    except StoreError as error:
        notes.append(f"earlier evidence was not seen: {error}")
        return ()


def _figures(
    store: Store | TeamStore | None, target: str, system_identifier: str | None, now: datetime, notes: list[str]
) -> EarlierFigures:
    """What earlier audits of this very server saw of what grows."""
    if store is None:
        return EarlierFigures()
    try:
        seen = store.observed(target, capacity.SEEN_BY, since=now - timedelta(days=capacity.MOST_DAYS))
    except StoreError as error:
        notes.append(f"earlier figures were not seen: {error}")
        return EarlierFigures()
    points: dict[str, list[tuple[datetime, float]]] = {}
    for at, system, outcome in seen:
        if system == system_identifier:
            for part in [*outcome["findings"], *outcome["seen"], *outcome["unseen"]]:
                value = part["evidence"].get("value")
                if isinstance(value, int | float):
                    points.setdefault(part["subject"], []).append((at, float(value)))
    return EarlierFigures(points={name: tuple(own) for name, own in points.items()})


def _first_look(postgres: Postgres) -> tuple[Server | None, CatalogMark | None, Unobservable | None]:
    try:
        server = Server.take(postgres)
    except Unobservable as refusal:
        return None, None, refusal
    try:
        return server, CatalogMark.take(postgres), None
    except Unobservable:
        return server, None, None


def _moved_ground(postgres: Postgres, before: Server, mark: CatalogMark | None) -> tuple[str | None, list[str]]:
    """Whether what answered at the end is what answered at the beginning: why the evidence is mixed, and notes."""
    try:
        after = Server.take(postgres)
        mark_after = CatalogMark.take(postgres) if mark else None
    except Unobservable as gone:
        return None, [f"the database was there when the audit began, and is not at its end: {gone.detail}"]
    if (after.system_identifier, after.timeline, after.standby) != (
        before.system_identifier,
        before.timeline,
        before.standby,
    ):
        return "another server answered at the end than at the beginning (a failover?): the evidence is mixed", []
    moved = []
    if abs(after.started_at - before.started_at) > 1:
        moved.append("the server was restarted while the audit ran")
    if mark_after and mark and mark_after.text != mark.text:
        moved.append("the catalog changed while the audit ran (DDL)")
    return None, moved


def _refuse_as_superuser(checks: Sequence[Check]) -> None:
    """As superuser nothing holds back what other people's checks may do."""
    if others := sorted({c.info.pack for c in checks if not _is_ours(c)}):
        raise ConfigError(
            f"packs: {', '.join(others)}: other people's checks don't run as a superuser; audit as the role that "
            f"`readiness role-sql` prints, or say --as-superuser"
        )


def _is_ours(check: Check) -> bool:
    return check.info.pack in _our_packs()


@cache
def _our_packs() -> frozenset[str]:
    """Read once: it looks through every installed distribution."""
    ours = (e for e in entry_points(group="readiness.packs") if e.dist is not None and e.dist.name == DISTRIBUTION)
    return frozenset(e.name for e in ours)


def _ask_all(
    request: Request,
    checks: Sequence[Check],
    chosen: Callable[[str], bool],
    facts: runner.Facts,
    started_at: datetime,
) -> tuple[list[CheckResult], BaseException | None]:
    """Every check's result; those that an interruption cut off are unknown."""
    own = request.policy.policy.checks

    def parameters(check: str) -> Mapping[str, Scalar]:
        return own[check].parameters if check in own else {}

    results: list[CheckResult] = []
    interrupted: BaseException | None = None
    request.on_start(len(checks))
    try:
        for result in runner.run(
            checks,
            facts,
            parameters=parameters,
            selected=chosen,
            now=started_at,
            evidence_days=request.policy.policy.evidence_days,
            owned_tables=facts.get(Target).owned_tables,
            clock=facts.get(Postgres).clock,
        ):
            results.append(result)
            request.on_result(result)
    except KeyboardInterrupt as interrupt:
        interrupted = interrupt
        done = {r.check.id for r in results}
        cut = Unknown(reason=Reason.NOT_SELECTED, detail="the run was interrupted before this was asked")
        results += [CheckResult(check=c.info, outcome=cut) for c in checks if c.info.id not in done]
    return results, interrupted


def _any_service_answers(facts: runner.Facts) -> bool:
    try:
        probes: HealthProbes = facts.get(HealthProbes)
    except Unobservable:
        return False
    return any(isinstance(p, HealthProbe) and p.answered for p in probes.by_service.values())


def _drill_part(record: Any, redactor: Redactor) -> DrillPart:
    return DrillPart(
        id=record.id,
        kind=record.kind,
        taken_at=record.taken_at,
        expires_at=record.expires_at,
        passed=record.passed,
        evidence=redactor.value(dict(record.evidence)),
    )


def _keep(store: Store | TeamStore, built: RunDocument) -> RunDocument:
    body = built.model_dump(mode="json", by_alias=True)
    run = RunRecord(
        id=built.id,
        target=built.target.name,
        system_identifier=built.target.system_identifier,
        started_at=built.started_at,
        finished_at=built.finished_at,
        decision=built.verdict.decision.value,
        score=built.verdict.score_exact,
        ceiling=built.verdict.ceiling_exact,
        coverage=built.verdict.coverage_exact,
        policy_sha256=built.policy.sha256,
        checkset_sha256=built.checkset_sha256,
        partial=built.partial,
        document=body,
    )
    outcomes = [
        OutcomeRecord(
            check_id=c.id,
            status=c.status.value,
            credit=c.credit_exact,
            examined=c.examined,
            outcome=document.evidence_of(c),
        )
        for c in built.checks
    ]
    try:
        store.save_run(run, outcomes)
    except StoreError as error:
        return document.sealed(built.model_copy(update={"notes": [*built.notes, f"{_NOT_KEPT}: {error}"]}))
    return built
