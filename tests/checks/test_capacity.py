"""What grows, and when it ends: on a real server, with a history that is given, kept, or asked of a Prometheus."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from asking import NOW, ask, found
from conftest import Database
from readiness import audit, auditor_role, history, policy
from readiness.document import RunDocument
from readiness.facts.capacity import SEEN_BY, EarlierFigures
from readiness.model import Examined, NotApplicable, Observation, Outcome, Reason, Unknown, Unseen
from readiness.profile import Capacity, Profile, Source
from stage import HttpServer

STEP = "operations/growth-step-open"


def profile(**capacity) -> Profile:
    return Profile.model_validate({"name": "test", "capacity": capacity})


def growing(name: str, *values: float, hours: float = 24) -> EarlierFigures:
    """Values up to yesterday, a day apart."""
    n = len(values)
    return EarlierFigures(
        points={name: tuple((NOW - timedelta(hours=hours * (n - at)), v) for at, v in enumerate(values))}
    )


def seen(outcome: Outcome, name: str) -> Observation | Unseen:
    """A figure's own subject, decided or not."""
    assert isinstance(outcome, Examined | Unknown)
    return next(s for s in (*outcome.observations, *outcome.unseen) if s.subject == name)


def test_without_a_history_nothing_is_foretold(database: Database):
    database.run(
        "create table t (id serial primary key); insert into t select from generate_series(1, 5000); analyze t"
    )
    outcome = ask(SEEN_BY, database.dsn(), profile=profile(disk_gb=10))
    assert isinstance(outcome, Unknown)
    assert outcome.reason is Reason.INSUFFICIENT_SAMPLES
    names = {u.subject for u in outcome.unseen}
    assert names >= {"databases", "connections", "write-ahead log", "transaction ids", "public.t", "public.t_id_seq"}
    assert seen(outcome, "public.t_id_seq").evidence["limit"] == 2147483647
    assert seen(outcome, "public.t_id_seq").evidence["value"] == 5000
    assert seen(outcome, "databases").evidence["limit"] == 10 * 1024
    bare = ask(SEEN_BY, database.bare_dsn())
    assert isinstance(bare, Unknown)
    assert "public.t_id_seq" not in {u.subject for u in bare.unseen}, "whose numbers it may not see"


def test_a_volume_that_fills(embedded_database: Database):
    outcome = ask(SEEN_BY, embedded_database.dsn(), profile=profile(disk_gb=10))
    now = float(str(seen(outcome, "databases").evidence["value"]))
    last = [now - 0.5 * day for day in range(10, 0, -1)]

    def looked(disk_gb: float | None, earlier: EarlierFigures) -> Observation | Unseen:
        declared = profile(disk_gb=disk_gb) if disk_gb else profile()
        return seen(ask(SEEN_BY, embedded_database.dsn(), profile=declared, earlier=earlier), "databases")

    soon = looked((now + 15) / 1024, growing("databases", *last))
    assert isinstance(soon, Observation)
    assert not soon.ok, "15 MB at half a one a day"
    assert soon.evidence["per_day"] == pytest.approx(0.5, abs=0.01)
    assert soon.evidence["days_left"] == pytest.approx(30, abs=1)
    assert float(str(soon.evidence["days_lower"])) <= 30.5
    assert str(soon.evidence["full_at"]).startswith(f"{NOW + timedelta(days=30):%Y-%m}")
    roomy = looked((now + 0.5 * 400) / 1024, growing("databases", *last))
    assert isinstance(roomy, Observation)
    assert roomy.ok
    still = looked((now + 15) / 1024, growing("databases", *[now] * 10))
    assert isinstance(still, Observation)
    assert still.ok
    assert still.evidence["days_left"] == "more than ten years"
    emptied = looked((now + 15) / 1024, growing("databases", *[now * 3] * 7, *[now] * 3))
    assert isinstance(emptied, Unseen), "four days since it was emptied tell nothing"
    assert (emptied.evidence["resets"], emptied.reason) == (7, Reason.INSUFFICIENT_SAMPLES)
    hasty = looked((now + 15) / 1024, growing("databases", *last, hours=0.1))
    assert isinstance(hasty, Unseen), "many audits of one day are no week"
    undeclared = looked(None, growing("databases", *last))
    assert isinstance(undeclared, Unseen)
    assert (undeclared.reason, undeclared.evidence["per_day"]) == (Reason.NOT_CONFIGURED, pytest.approx(0.5, abs=0.01))


def test_what_stands_at_its_limit_needs_no_line(embedded_database: Database):
    """A volume that a load has filled today, after weeks on which it did not grow."""
    now = float(str(seen(ask(SEEN_BY, embedded_database.dsn()), "databases").evidence["value"]))

    def looked(disk_gb: float, *last: float, hours: float = 24) -> Observation | Unseen:
        earlier = growing("databases", *last, hours=hours) if last else EarlierFigures()
        declared = profile(disk_gb=disk_gb)
        return seen(ask(SEEN_BY, embedded_database.dsn(), profile=declared, earlier=earlier), "databases")

    for last in ([now / 1.3] * 40, [], [now] * 3):
        full = looked(now * 0.99 / 1024, *last)
        assert isinstance(full, Observation)
        assert (full.ok, full.evidence["days_left"]) == (False, 0.0)
    slowly = [now / 1.3 - 0.05 * day for day in range(40, 0, -1)]
    stepped = looked((now + 2) / 1024, *slowly)
    assert isinstance(stepped, Observation)
    assert not stepped.ok, "2 MB at 50 kB a day, from where it stands now"
    assert stepped.evidence["days_left"] == pytest.approx(40, abs=2)
    tomorrow = looked((now + 100) / 1024, *[now] * 10, hours=-24)
    assert isinstance(tomorrow, Unseen), "points of a clock that went wrong are none"
    assert tomorrow.evidence["points"] == 1


def test_sequences_by_what_takes_their_numbers(embedded_database: Database):
    """Owned or not, through a domain or not; who may not read them is told so, and what would help."""
    embedded_database.run(
        "create sequence by_default; create table t (id int default nextval('by_default') primary key);"
        "create domain small_id as int; create sequence of_domain;"
        "create table u (id small_id default nextval('of_domain')); create table v (id bigserial);"
        "create table w (id int default nextval('v_id_seq') + 1)"
    )
    outcome = ask(SEEN_BY, embedded_database.dsn())
    assert isinstance(outcome, Unknown)
    names = {u.subject for u in outcome.unseen if u.kind == "sequence"}
    assert names == {"public.by_default", "public.of_domain"}
    flat = EarlierFigures(
        points={
            u.subject: growing(u.subject, *[float(str(u.evidence["value"]))] * 9).points[u.subject]
            for u in outcome.unseen
            if "value" in u.evidence
        }
    )
    declared = profile(disk_gb=100_000, users=900_000)
    unlock = None
    for check in (SEEN_BY, STEP):
        blind = ask(check, embedded_database.bare_dsn(), profile=declared, earlier=flat)
        assert isinstance(blind, Unknown), check
        assert blind.unseen[0].reason is Reason.NO_PERMISSION
        assert "2 sequences" in blind.unseen[0].detail
        unlock = blind.unseen[0].unlock
    embedded_database.run(str(unlock))
    for check in (SEEN_BY, STEP):
        assert found(ask(check, embedded_database.bare_dsn(), profile=declared, earlier=flat)) == set()
    beyond = ask(STEP, embedded_database.dsn(), profile=profile(disk_gb=100_000, users=2_000_000))
    assert isinstance(beyond, NotApplicable)


def test_of_many_sequences_those_that_are_nearest_to_their_end_are_told(embedded_database: Database):
    """However many are as narrow, and whichever was made first."""
    embedded_database.run(
        "do $$begin for i in 1..250 loop execute format('create sequence s%s as int', i); end loop; end$$;"
        "select setval('s250', 2147000000), setval('s249', 1000)"
    )
    outcome = ask("operations/limit-in-reach", embedded_database.dsn())
    told = [u.subject for u in outcome.unseen if u.kind == "sequence"]  # type: ignore[union-attr]
    assert len(told) == 10
    assert {"public.s250", "public.s249"} <= set(told)


def test_the_auditors_role_reads_a_schemas_sequences(embedded_database: Database):
    role = f"{embedded_database.name}_auditor"
    embedded_database.made_roles.append(role)
    embedded_database.run("create schema shop; create table shop.t (id serial primary key)")
    embedded_database.run(auditor_role.script(role=role, database=embedded_database.name, schemas=["shop"]))
    embedded_database.run(f"alter role {role} password 'of-a-test'")
    dsn = embedded_database.dsn(user=role, password="of-a-test")
    try:
        assert found(ask("schema/sequence-exhaustion", dsn)) == set()
        assert seen(ask(SEEN_BY, dsn), "shop.t_id_seq").evidence["limit"] == 2147483647
    finally:
        embedded_database.run(f"drop owned by {role}")


def test_numbers_that_run_out(embedded_database: Database):
    embedded_database.run("create table t (id serial primary key); select setval('t_id_seq', 2100000000)")
    fast = growing("public.t_id_seq", *[2_100_000_000 - 2_000_000 * day for day in range(9, 0, -1)])
    outcome = ask(SEEN_BY, embedded_database.dsn(), earlier=fast)
    assert found(outcome) == {"public.t_id_seq"}
    assert seen(outcome, "public.t_id_seq").evidence["days_left"] == pytest.approx(23.7, abs=0.5)
    slow = growing("public.t_id_seq", *[2_100_000_000 - 100 * day for day in range(9, 0, -1)])
    assert isinstance(ask(SEEN_BY, embedded_database.dsn(), earlier=slow), Unknown), (
        "no finding; the rest has no history"
    )


@contextmanager
def prometheus(answers: dict[str, list[dict]]) -> Iterator[str]:
    """What its API says to query_range."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            given = parse_qs(asked.query)
            assert asked.path == "/api/v1/query_range"
            assert set(given) == {"query", "start", "end", "step"}
            result = {"resultType": "matrix", "result": answers[given["query"][0]]}
            body = json.dumps({"status": "success", "data": result}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with HttpServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_series_of_prometheus(embedded_database: Database):
    values = [[(NOW - timedelta(days=9 - day)).timestamp(), str(30 + day)] for day in range(9)]
    one, other = {"metric": {"a": "1"}, "values": values}, {"metric": {"a": "2"}, "values": values}
    empty = {"metric": {}, "values": [[at, "NaN"] for at, _ in values]}
    with prometheus({"conns": [one], "two": [one, other], "none": [], "nan": [empty]}) as url:

        def looked(**queries: str) -> Observation | Unseen:
            declared = profile(prometheus=url, queries=queries)
            return seen(ask(SEEN_BY, embedded_database.dsn(), profile=declared), "connections")

        good = looked(connections="conns")
        assert isinstance(good, Observation)
        assert (good.evidence["source"], good.evidence["points"]) == ("Prometheus", 10)
        for query, said in (("two", "2 series, where one is asked for"), ("none", "0 series")):
            unclear = looked(connections=query)
            assert isinstance(unclear, Unseen)
            assert unclear.reason is Reason.UNREACHABLE
            assert said in unclear.detail
        nothing = looked(connections="nan")
        assert isinstance(nothing, Unseen)
        assert "none of its values is a number" in nothing.detail
        misspelt = seen(
            ask(SEEN_BY, embedded_database.dsn(), profile=profile(prometheus=url, queries={"conections": "conns"})),
            "conections",
        )
        assert isinstance(misspelt, Unseen)
        assert misspelt.reason is Reason.NOT_CONFIGURED
        assert "connections" in str(misspelt.unlock)
    gone = looked(connections="conns")
    assert isinstance(gone, Unseen)
    with pytest.raises(ValueError, match="name it"):
        profile(queries={"connections": "x"})


def test_what_breaks_first(embedded_database: Database):
    """60 slots less 3, of which one session takes one: ten sessions for 1,000 users are too many for 10,000."""
    assert isinstance(ask(STEP, embedded_database.dsn()), Unknown)
    crowd = growing("connections", 10)
    outcome = ask(STEP, embedded_database.dsn(), profile=profile(users=1_000, disk_gb=100_000), earlier=crowd)
    assert found(outcome) == {"10,000 users", "100,000 users", "1,000,000 users"}
    first = seen(outcome, "10,000 users")
    assert first.evidence["breaks"] == ["connections: 57 connections at 5,700 users"]
    assert "PgBouncer" in str(first.evidence["step"])
    assert "read replicas" in str(first.evidence["stage_adds"])
    quiet = ask(STEP, embedded_database.dsn(), profile=profile(users=900_000, disk_gb=100_000))
    assert found(quiet) == set()
    unsure = ask(STEP, embedded_database.dsn(), profile=profile(users=900_000))
    assert isinstance(unsure, Unknown), "who doesn't say how large the disk is learns of no disk"


def test_audits_remember_and_the_document_tells_where_it_goes(embedded_database: Database, tmp_path: Path):
    """Runs of the past weeks are put into the store as audits leave them; the next one sees where it goes."""
    size = float(str(seen(ask(SEEN_BY, embedded_database.dsn()), "databases").evidence["value"]))
    place = tmp_path / "evidence.db"

    def audited() -> RunDocument:
        request = audit.Request(
            profile=Source(profile=Profile(name="shop", capacity=Capacity(disk_gb=(size + 5) / 1024)), folder=tmp_path),
            policy=policy.load("beta", {}),
            dsn=embedded_database.dsn(),
            only=[SEEN_BY],
            evidence=place,
        )
        return audit.audit(request).document

    first = audited()
    assert (first.check(SEEN_BY).status, first.check(SEEN_BY).reason) == ("unknown", "insufficient_samples")
    assert first.growth == []
    store = history.open_store(place, now=NOW)
    (kept,) = store.runs("shop")
    (outcome,) = [o for o in store.outcomes(kept.id) if o.check_id == SEEN_BY]
    for day in range(1, 15):
        then = json.loads(json.dumps(outcome.outcome))
        for u in then["unseen"]:
            if u["subject"] == "databases":
                u["evidence"]["value"] = size - day * 0.25
        past = replace(kept, id=f"past{day}", started_at=datetime.now(UTC) - timedelta(days=day))
        foreign = replace(past, id=f"foreign{day}", system_identifier="another")
        told = history.OutcomeRecord(check_id=SEEN_BY, status="unknown", credit=None, examined=0, outcome=then)
        for run in (past, foreign):
            store.save_run(run, [told])
    store.close()
    second = audited()
    growth = {g.name: g for g in second.growth}["databases"]
    assert len(growth.points) == 15
    assert growth.per_day == pytest.approx(0.25, abs=0.01)
    assert growth.days_lower == pytest.approx(20, abs=2)
    assert growth.days_upper is not None
    assert growth.days_lower <= growth.days_upper
    assert [f.subject for f in second.check(SEEN_BY).findings] == ["databases"]
