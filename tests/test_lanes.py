"""A large catalog is asked by two sessions where nobody else is at work: sooner, and the answers are the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest

import stage
from conftest import Database
from readiness import pack, runner
from readiness.audit import built_in_checks
from readiness.authoring import Check, Unobservable
from readiness.embedded import Cluster
from readiness.facts import lanes as lanes_of
from readiness.facts.anchors import Anchors
from readiness.facts.cost import Cost
from readiness.facts.lanes import Lanes
from readiness.facts.pace import WORTH_A_LOOK
from readiness.facts.postgres import APPLICATION_NAME, Postgres, _came
from readiness.facts.server import Server
from readiness.facts.target import Target
from readiness.model import Category, Examined, Observation, Outcome, Reason, Unknown
from readiness.profile import Probing, Profile
from stage import at_work

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
BESIDE = f"{APPLICATION_NAME} beside"


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it had taken long already."""
    monkeypatch.setattr(lanes_of, "WORTH_A_SESSION", 0.0)


@pytest.fixture(scope="module")
def database(embedded_cluster: Cluster) -> Iterator[Database]:
    with stage.database(embedded_cluster) as made:
        made.run(f"grant pg_monitor to {made.bare_role}; create table t (id int primary key); create table u (n int)")
        yield made


class Audit:
    """A session's facts, as of a large database, and the checks that are asked."""

    def __init__(self, dsn: str, *, sessions: int = 2, share: float = 0.25, few: bool = False) -> None:
        self.postgres = Postgres(dsn, share_when_busy=share)
        self.server = Server.take(self.postgres)
        profile = Profile(name="t", probing=Probing(sessions=sessions))
        target = Target(profile=profile, folder=Path(), now=NOW)
        given: dict[type[Any], object] = {Target: target, Postgres: self.postgres, Server: self.server}
        self.facts = runner.Facts(given if few else given | {Anchors: Anchors(few=False)})
        self.lanes: Lanes = self.facts.get(Lanes)

    def run(self, checks: Sequence[Check]) -> Iterator[Outcome]:
        for result in runner.run(
            checks,
            self.facts,
            parameters=lambda _: {},
            selected=lambda _: True,
            now=NOW,
            evidence_days=7,
            clock=self.postgres.clock,
        ):
            yield result.outcome

    def look(self) -> None:
        """Have it look whether others are at work."""
        self.postgres.rows(f"select pg_catalog.pg_sleep({WORTH_A_LOOK + 0.01})::text as slept", marker="test")
        self.postgres.rest()

    @property
    def asked(self) -> list[int]:
        """Statements of each session."""
        return [session.statements for session in self.lanes.sessions]


@contextmanager
def auditing(dsn: str, *, looked: bool = True, **how: float) -> Iterator[Audit]:
    made = Audit(dsn, **how)  # type: ignore[arg-type]
    try:
        if looked:
            made.look()
        yield made
    finally:
        made.postgres.close()


TABLES = """
select pg_catalog.quote_ident(c.relname) as subject, {ok} as ok, c.oid as objid
from pg_catalog.pg_class as c, lateral (select pg_catalog.pg_sleep({seconds}) as slept limit 1) as s
where c.relkind = 'r' and c.relnamespace = 'public'::pg_catalog.regnamespace and s.slept is not null
order by subject
"""


def check(name: str, *, seconds: float = 0.0, ok: str = "c.relname <> 'u'") -> Check:
    text = stage.sql_check(TABLES.format(ok=ok, seconds=seconds / 2), subject="table")  # of two tables
    return pack.sql_check(Category.SCHEMA, name, text, {}, pack="mine")


def sessions_of(database: Database) -> list[str]:
    with database.connect() as admin:
        found = admin.execute(
            "select application_name from pg_stat_activity "
            "where datname = current_database() and application_name like 'readiness/%' order by 1"
        )
        return [name for (name,) in found]


def test_two_sessions_give_the_answers_of_one(database: Database):
    checks = [check(f"odd{n}", ok=f"c.relname <> 't' or {n} % 3 = 0", seconds=0.02 * (n % 2)) for n in range(12)]
    with auditing(database.bare_dsn()) as two, auditing(database.bare_dsn(), sessions=1) as one:
        assert list(two.run(checks)) == list(one.run(checks))
        own, beside = two.asked
        assert beside > 5
        assert own > 5
        assert len(one.asked) == 1
        assert sessions_of(database) == [APPLICATION_NAME, APPLICATION_NAME, BESIDE]
    assert stage.eventually(lambda: not sessions_of(database))  # the second one ends with the first


def told(checks: Sequence[Check], outcomes: Iterable[Outcome]) -> dict[str, object]:
    """What was seen, without figures that move by themselves."""
    return {
        one.info.id: {(seen.subject, seen.ok) for seen in outcome.observations}
        if isinstance(outcome, Examined)
        else type(outcome)
        for one, outcome in zip(checks, outcomes, strict=True)
    }


def test_the_second_session_is_in_no_checks_way(database: Database):
    """It asks for nobody, and is nobody's subject."""
    checks = [one for one in built_in_checks() if one.sends]
    assert len(checks) > 140
    with auditing(database.dsn()) as two:
        of_two = told(checks, two.run(checks))
        assert two.asked[1] > 20
    with auditing(database.dsn(), sessions=1) as one:
        assert told(checks, one.run(checks)) == of_two


def test_who_has_an_answer_is_asked_the_next_question(database: Database):
    checks = [check("slow", seconds=1), *(check(f"soon{n}") for n in range(5)), check("last", seconds=0.5)]
    with auditing(database.bare_dsn()) as audit:
        outcomes = audit.run(checks)
        assert isinstance(next(outcomes), Examined)
        assert audit.asked[1] > 5  # while the first was at work
        assert len(list(outcomes)) == 6


def test_what_was_not_read_yet_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(runner, "_AHEAD", 3)
    asked: list[str] = []
    ask = Postgres.ask

    def asking(session: Postgres, statement: str, *parameters: Any, marker: str, **how: Any) -> Any:
        asked.append(marker)
        return ask(session, statement, *parameters, marker=marker, **how)

    checks = [check("slow", seconds=0.7), *(check(f"soon{n}") for n in range(5))]
    with auditing(database.bare_dsn()) as audit:
        monkeypatch.setattr(Postgres, "ask", asking)
        outcomes = audit.run(checks)
        assert isinstance(next(outcomes), Examined)
        of_checks = [marker for marker in asked if marker.startswith("schema/")]
        assert of_checks == [
            "schema/slow",
            "schema/soon0",
            "schema/soon1",
            "schema/soon2",
        ]  # the last when the first was here
        assert len(list(outcomes)) == 5


def one_session(audit: Audit, checks: Sequence[Check] = ()) -> None:
    outcomes = list(audit.run([*checks, *(check(f"odd{n}") for n in range(4))]))
    assert all(isinstance(outcome, Examined) for outcome in outcomes), outcomes
    assert len(audit.asked) == 1


def test_one_session_asks_while_others_are_at_work(database: Database):
    with at_work(database), auditing(database.bare_dsn()) as audit:
        one_session(audit)


def test_one_session_asks_as_soon_as_others_are_at_work(database: Database):
    checks = [check(f"odd{n}", seconds=WORTH_A_LOOK) for n in range(6)]
    with auditing(database.bare_dsn()) as audit:
        outcomes = audit.run(checks)
        next(outcomes)
        assert audit.lanes.width == 2
        with at_work(database):
            next(outcomes)
            next(outcomes)
            assert audit.lanes.width == 1
            before = audit.asked[1]
            list(outcomes)
            assert audit.asked[1] <= before + 1  # what was on its way
        assert audit.postgres.rested_seconds > 0


def test_one_session_asks_where_others_can_not_be_seen(embedded_cluster: Cluster):
    with stage.database(embedded_cluster) as blind:
        blind.run("create table t ()")
        with auditing(blind.bare_dsn()) as audit:
            one_session(audit)


@pytest.mark.parametrize("how", [{"share": 1.0}, {"few": True}, {"sessions": 1}])
def test_one_session_asks(database: Database, how: Mapping[str, float]):
    with auditing(database.bare_dsn(), **how) as audit:  # type: ignore[arg-type]
        one_session(audit)


def test_one_session_asks_until_somebody_looked(database: Database):
    with auditing(database.bare_dsn(), looked=False) as audit:
        assert audit.lanes.width == 1
        audit.look()
        assert audit.lanes.width == 2


def test_one_session_asks_until_it_has_taken_a_while(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lanes_of, "WORTH_A_SESSION", 0.3)
    with auditing(database.bare_dsn()) as audit:
        assert audit.lanes.width == 1
        audit.postgres.rows("select pg_catalog.pg_sleep(0.3)::text as slept", marker="test")
        assert audit.lanes.width == 2


def test_one_session_asks_through_a_pooler(database: Database):
    with auditing(database.bare_dsn()) as audit:
        pooled = replace(audit.server, pooled=True)
        lanes = Lanes.take(audit.postgres, pooled, Anchors(few=False), audit.facts.get(Target))
        assert lanes.width == 1
        assert audit.lanes.width == 2


def test_no_second_session_where_the_role_may_not(embedded_cluster: Cluster):
    with stage.database(embedded_cluster) as made:
        made.run(
            f"grant pg_monitor to {made.bare_role}; alter role {made.bare_role} connection limit 1; create table t ()"
        )
        with auditing(made.bare_dsn()) as audit:
            one_session(audit)


def test_no_second_session_where_others_would_miss_it(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lanes_of, "SPARED", 10_000)
    with auditing(database.bare_dsn()) as audit:
        one_session(audit)
    assert stage.eventually(lambda: not sessions_of(database))


def test_no_second_session_with_another_server(
    debian_cluster: Cluster, embedded_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
):
    """One name may lead to a primary and its standbys, by turns."""
    with stage.database(debian_cluster) as here, stage.database(embedded_cluster) as there:
        here.run(f"grant pg_monitor to {here.bare_role}; create table t ()")
        made: list[Postgres] = []

        def another(_own: Postgres, purpose: str, *, together: bool) -> Postgres:
            assert (purpose, together) == ("beside", True)
            made.append(Postgres(there.dsn()))
            return made[-1]

        monkeypatch.setattr(Postgres, "another", another)
        with auditing(here.bare_dsn()) as audit:
            one_session(audit)
        assert [session.statements for session in made] == [1]


def test_a_second_session_that_is_lost_is_not_opened_anew(database: Database):
    with auditing(database.bare_dsn()) as audit, database.connect() as admin:
        outcomes = audit.run(
            [check("slow", seconds=0.5), check("lost", seconds=30), *(check(f"odd{n}") for n in range(4))]
        )

        def end() -> bool:
            found = admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s and state = 'active' "
                "and query like '%%schema/lost%%' and datname = current_database()",
                (BESIDE,),
            )
            return bool(found.fetchall())

        killer = threading.Thread(target=lambda: stage.eventually(end))
        killer.start()
        slow, lost, *others = outcomes
        killer.join()
        assert isinstance(slow, Examined)
        assert isinstance(lost, Unknown)
        assert lost.reason is Reason.UNREACHABLE
        assert all(isinstance(outcome, Examined) for outcome in others)
        assert audit.lanes.width == 1
        assert BESIDE not in sessions_of(database)


def test_an_answer_that_was_in_time_may_be_read_late(database: Database):
    session = Postgres(database.bare_dsn())
    try:
        soon = session.ask("select pg_catalog.repeat('x', 30000000) as much", marker="test")
        assert stage.eventually(lambda: _came([session.link]))
        session.link.deadline = time.monotonic()  # and more of it is on its way than a socket holds
        assert len(soon.rows()[0]["much"]) == 30_000_000
        late = session.ask("select pg_catalog.pg_sleep(2) as slept", marker="test", seconds=0.1)
        session.link.deadline = 0.0
        with pytest.raises(Unobservable, match="no answer in time") as refusal:
            late.rows()
        assert refusal.value.reason is Reason.TIMEOUT
    finally:
        session.close()


def test_no_answer_is_waited_for_longer_than_its_time(database: Database):
    """Of two on their way, when neither comes: the one whose time is over goes, and the other is waited for."""
    with auditing(database.bare_dsn()) as audit:
        assert audit.lanes.free() is audit.postgres
        hanging = audit.postgres.ask("select pg_catalog.pg_sleep(20)::text as s", marker="test", seconds=30)
        other = audit.lanes.free()
        assert other is not audit.postgres
        slow = other.ask("select 2 as two, pg_catalog.pg_sleep(0.6)::text as s", marker="test")
        audit.postgres.link.deadline = time.monotonic() + 0.2
        audit.lanes.receive()
        assert hanging.here
        assert not slow.here
        audit.lanes.receive()
        assert slow.here
        assert not audit.lanes.waits
        assert slow.rows()[0]["two"] == 2
        with pytest.raises(Unobservable, match="no answer in time"):
            hanging.rows()


def test_no_transaction_of_either_is_open_while_they_rest(database: Database):
    with auditing(database.bare_dsn()) as audit:
        list(audit.run([check(f"odd{n}", seconds=0.01) for n in range(4)]))
        other = audit.lanes.beside
        assert other is not None
        with at_work(database), database.connect() as admin:
            theirs = other.ask("select 1 as one", marker="test")  # its transaction waits for us to read
            states: list[str] = []

            def look() -> None:
                time.sleep(WORTH_A_LOOK)
                found = admin.execute("select state from pg_stat_activity where application_name ~ '^readiness/'")
                states.extend(state for (state,) in found)

            watch = threading.Thread(target=look)
            audit.postgres.rows(f"select pg_catalog.pg_sleep({3 * WORTH_A_LOOK})::text as slept", marker="test")
            watch.start()
            audit.postgres.rest()
            watch.join()
            assert theirs.rows() == [{"one": 1}]
        assert audit.postgres.rested_seconds > 3 * WORTH_A_LOOK
        assert set(states) == {"idle"}


class WhetherAnyWaits:
    """A fact."""

    def __init__(self, *, waits: bool) -> None:
        self.waits = waits

    @classmethod
    def take(cls, lanes: Lanes) -> Self:
        return cls(waits=lanes.waits)


def test_no_transaction_of_either_is_open_while_a_fact_is_taken(database: Database):
    waited: list[bool] = []

    def ask(fact: WhetherAnyWaits) -> list[Observation]:
        waited.append(fact.waits)
        return []

    computing = Check(info=check("fact").info, facts={"fact": WhetherAnyWaits}, ask=ask, source="", computes=True)
    checks = [check("a", seconds=0.2), computing, check("b", seconds=0.2), check("c", seconds=0.3)]
    with auditing(database.bare_dsn()) as audit:
        assert len(list(audit.run(checks))) == 4
        assert audit.asked[1] >= 2  # where it leads, and b
    assert waited == [False]


def test_both_are_in_what_an_audit_costs(database: Database):
    with auditing(database.bare_dsn()) as audit:
        list(audit.run([check(f"odd{n}", seconds=0.01) for n in range(6)]))
        assert audit.lanes.beside is not None
        audit.lanes.beside.rows("select count(*) from pg_catalog.generate_series(1, 1500000)", marker="test")
        of_own, whole = (Cost.of(sessions, audit.server) for sessions in ([audit.postgres], audit.lanes.sessions))
        assert whole.statements >= of_own.statements + audit.asked[1] - 2  # those that ask for the cost itself
        assert audit.asked[1] > 5
        assert whole.longest_ms > of_own.longest_ms
        assert whole.cpu_ms is not None
        assert of_own.cpu_ms is not None
        assert whole.cpu_ms > of_own.cpu_ms + 30
        if audit.server.version_num >= 180000:
            assert whole.blocks is not None
            assert of_own.blocks is not None
            assert whole.blocks > of_own.blocks


def test_an_interrupted_audit_leaves_neither_at_work(database: Database):
    with auditing(database.bare_dsn()) as audit:
        outcomes = audit.run([check("first"), check("slow", seconds=20), check("slower", seconds=30)])
        next(outcomes)
        assert stage.eventually(lambda: audit.lanes.waits)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert stage.eventually(lambda: not sessions_of(database))
