"""Stores beside Postgres: Debian's Redis, and the stand-ins for Qdrant and MinIO (qdrant-client's local mode, moto)."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import redis as redis_client

import stage
from asking import ask, found
from conftest import Database
from readiness import embedded, profile
from readiness.authoring import Unobservable
from readiness.demo import stores
from readiness.demo.stores import Running
from readiness.embedded import Workshop
from readiness.facts import links
from readiness.facts.links import draw, merge, share_bound
from readiness.model import Examined, NotApplicable, Outcome, Reason, Unknown, count_of
from readiness.profile import Profile

REDIS = Path("/usr/bin/redis-server")
IDS = [f"{n:08x}-0000-4000-8000-{n:012x}" for n in range(1, 61)]
KEYS = [f"files/{n}.md" for n in range(60)]
RULES = [
    {
        "ID": "old versions end",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": "30"},
    }
]


class Stores:
    """One of each kind, up; and what asks them to change."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.qdrant = stores.start_qdrant(
            workshop, fill=[{"collection": "chunks", "size": 4, "ids": IDS, "payload_indexes": ["user_id"]}]
        )
        self.open_qdrant = stores.start_qdrant(workshop, name="open", key=False)
        self.s3 = stores.start_s3(
            workshop,
            fill=[
                {"bucket": "files", "keys": KEYS, "versioned": True, "encrypted": True, "lifecycle": RULES},
                {"bucket": "bare", "public": True},
            ],
        )
        own = {"maxmemory": "64mb", "maxmemory-policy": "allkeys-lru", "appendonly": "yes"}
        self.redis = stores.start_redis(workshop, REDIS, settings=own)
        stores.await_up(workshop, "qdrant", self.qdrant)
        stores.await_up(workshop, "s3", self.s3)
        stores.await_up(workshop, "open", self.open_qdrant)

    def ask_qdrant(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            self.qdrant.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"api-key": self.qdrant.secret, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())["result"]

    @contextmanager
    def points(self, *ids: str | int) -> Iterator[None]:
        """Some points more."""
        self.ask_qdrant("PUT", "/collections/chunks/points", {"points": [{"id": i, "vector": [1] * 4} for i in ids]})
        try:
            yield
        finally:
            self.ask_qdrant("POST", "/collections/chunks/points/delete", {"points": list(ids)})

    @property
    def objects(self) -> Any:
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.s3.url,
            region_name="us-east-1",
            aws_access_key_id=self.s3.user,
            aws_secret_access_key=self.s3.secret,
        )

    def redis_client(self) -> redis_client.Redis:
        return redis_client.Redis.from_url(self.redis.url, password=self.redis.secret, decode_responses=True)

    def profile(self, **own: Mapping[str, Any]) -> Profile:
        """All three, with what differs from them in `own`, by name."""
        declared: dict[str, dict[str, Any]] = {
            "vectors": {
                "kind": "qdrant",
                "url": self.qdrant.url,
                "api_key": self.qdrant.secret,
                "collections": {"chunks": {"size": 4, "payload_indexes": ["user_id"], "rows": []}},
            },
            "cache": {"kind": "redis", "url": self.redis.url, "password": self.redis.secret, "holds": "data"},
            "files": {
                "kind": "s3",
                "url": self.s3.url,
                "access_key": self.s3.user,
                "secret_key": self.s3.secret,
                "buckets": {"files": {"rows": []}},
            },
        }
        return Profile.model_validate_json(
            json.dumps({"name": "p", "stores": {n: s | own.get(n, {}) for n, s in declared.items()}})
        )


@pytest.fixture(scope="module")
def up() -> Iterator[Stores]:
    if not REDIS.exists():
        pytest.skip("Debian's redis-server is not installed")
    with workshop() as made:
        yield Stores(made)


@contextmanager
def workshop() -> Iterator[Workshop]:
    with Workshop("test") as made:
        if owner := embedded.server_account():
            os.chown(made.folder, owner["user"], owner["group"])
        yield made


@pytest.fixture(autouse=True)
def _a_short_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "MOMENT_SECONDS", 0.05)


NOWHERE = "host=127.0.0.1 port=1"  # these checks ask no database

UP = "operations/unreachable-store"
OPEN = "security/store-open-to-all"
MEMORY = "operations/unbounded-store-memory"
KEPT = "operations/store-not-persistent"
COLLECTION = "operations/collection-unready"
VERSIONS = "operations/bucket-without-versions"
ENCIPHERED = "security/bucket-unencrypted"
ALL = (UP, OPEN, MEMORY, KEPT, COLLECTION, VERSIONS, ENCIPHERED)
UNRESOLVED, ORPHANED = "operations/unresolved-reference", "operations/orphaned-object"


def of(outcome: Outcome, subject: str) -> Mapping[str, Any]:
    assert isinstance(outcome, Examined)
    return next(o.evidence for o in outcome.observations if o.subject == subject)


def unlocks(outcome: Outcome) -> str:
    assert isinstance(outcome, Unknown), outcome
    return " ".join(u.unlock or "" for u in outcome.unseen) or outcome.unlock or ""


# -- the stores ------------------------------------------------------------------------------------------------


def test_nothing_is_found_where_all_is_well(up: Stores):
    policy = {MEMORY: up.profile(cache={"holds": "cache"})}
    for check in ALL:
        assert found(ask(check, NOWHERE, profile=policy.get(check, up.profile()))) == set(), check
    seen = ask(UP, NOWHERE, profile=up.profile())
    assert "local mode of qdrant-client" in of(seen, "vectors")["version"]
    assert of(seen, "cache")["version"].startswith("7.")
    assert of(seen, "files")["says"] == "ready"


def test_a_profile_that_says_nothing_of_stores_leaves_them_unknown(up: Stores):
    for check in (*ALL, UNRESOLVED, ORPHANED):
        silent = ask(check, NOWHERE, profile=Profile(name="p"))
        assert isinstance(silent, Unknown), check
        assert silent.reason is Reason.NOT_CONFIGURED
        none = ask(check, NOWHERE, profile=Profile.model_validate({"name": "p", "stores": {}}))
        assert isinstance(none, NotApplicable), check


def test_an_empty_declaration_is_no_silence(up: Stores):
    """`collections: {}` says that there are none; a store without the key says nothing of them."""
    bare = {"vectors": {"kind": "qdrant", "url": up.qdrant.url}, "files": {"kind": "s3", "url": up.s3.url}}
    empty = {"vectors": bare["vectors"] | {"collections": {}}, "files": bare["files"] | {"buckets": {}}}
    for check in (COLLECTION, VERSIONS, ENCIPHERED, UNRESOLVED, ORPHANED):
        silent = ask(check, NOWHERE, profile=Profile.model_validate({"name": "p", "stores": bare}))
        assert "in the profile" in unlocks(silent), check
        none = ask(check, NOWHERE, profile=Profile.model_validate({"name": "p", "stores": empty}))
        assert isinstance(none, NotApplicable), check


def test_a_store_that_is_away_is_found_and_what_hangs_on_it_is_unknown(up: Stores):
    port = stage.free_port()
    away = up.profile(
        vectors={"url": f"http://127.0.0.1:{port}"},
        cache={"url": f"redis://127.0.0.1:{port}"},
        files={"url": f"http://127.0.0.1:{port}"},
    )
    gone = ask(UP, NOWHERE, profile=away)
    assert found(gone) == {"vectors", "cache", "files"}
    assert {of(gone, s)["says"] for s in ("vectors", "cache", "files")} == {"connection refused"}
    assert of(gone, "cache")["milliseconds"] == "infinity" or of(gone, "cache")["milliseconds"] == inf
    for check in (OPEN, MEMORY, KEPT, COLLECTION, VERSIONS, ENCIPHERED):
        outcome = ask(check, NOWHERE, profile=away)
        assert isinstance(outcome, Unknown), check
        assert outcome.reason is Reason.UNREACHABLE


def test_what_is_something_else_is_no_store(up: Stores):
    http, tcp = up.qdrant.url, up.redis.url.replace("redis", "http")
    crossed = up.profile(
        vectors={"url": up.s3.url}, cache={"url": http.replace("http", "redis")}, files={"url": up.qdrant.url}
    )
    outcome = ask(UP, NOWHERE, profile=crossed)
    assert found(outcome) == {"vectors", "cache", "files"}
    assert of(outcome, "vectors")["says"] == "what answers there is not Qdrant"
    assert of(outcome, "files")["says"] == "what answers there is not S3"
    assert found(ask(UP, NOWHERE, profile=up.profile(vectors={"url": tcp}, files={"url": tcp}))) == {
        "vectors",
        "files",
    }


def test_silent_and_dripping_stores_end_in_time(up: Stores):
    with stage.server(stage.silent) as port:
        slow = up.profile(
            vectors={"url": f"http://127.0.0.1:{port}"},
            cache={"url": f"redis://127.0.0.1:{port}"},
            files={"url": f"http://127.0.0.1:{port}"},
        )
        hurried = slow.model_copy(update={"probing": profile.Probing(http_timeout_seconds=0.5)})
        started = time.monotonic()
        assert found(ask(UP, NOWHERE, profile=hurried)) == {"vectors", "cache", "files"}
        assert time.monotonic() - started < 5


def test_without_the_clients_they_are_unknown_and_the_extra_is_named(up: Stores, monkeypatch: pytest.MonkeyPatch):
    for module in ("redis", "boto3"):
        monkeypatch.setitem(sys.modules, module, None)
    outcome = ask(UP, NOWHERE, profile=up.profile())
    assert isinstance(outcome, Unknown)
    assert {u.subject for u in outcome.unseen} == {"cache", "files"}, "Qdrant needs no client"
    assert outcome.reason is Reason.UNSUPPORTED
    assert outcome.unlock == "pip install 'readiness[stores]'"


def test_open_to_strangers(up: Stores):
    with workshop() as other:
        redis = stores.start_redis(other, REDIS, settings={"requirepass": ""})
        bare = {"buckets": {"bare": {}}}
        opened = up.profile(vectors={"url": up.open_qdrant.url}, cache={"url": redis.url}, files=bare)
        assert found(ask(OPEN, NOWHERE, profile=opened)) == {"vectors", "cache", "files/bare"}
        meant = up.profile(files={"buckets": {"bare": {"public": True}}})
        assert found(ask(OPEN, NOWHERE, profile=meant)) == set()
        # Where none is asked for, none is needed.
        no_password = up.profile(cache={"url": redis.url, "password": ""})
        assert found(ask(MEMORY, NOWHERE, profile=no_password)) == {"cache"}
        # Neither kept nor enciphered.
        assert found(ask(VERSIONS, NOWHERE, profile=up.profile(files=bare))) == {"files/bare"}
        assert found(ask(ENCIPHERED, NOWHERE, profile=up.profile(files=bare))) == {"files/bare"}


def test_credentials_that_are_wrong_or_missing(up: Stores):
    for given in (None, "wrong"):
        wrong = up.profile(
            vectors={"api_key": given}, cache={"password": given}, files={"access_key": given, "secret_key": given}
        )
        assert found(ask(UP, NOWHERE, profile=wrong)) == set(), "it lives; it need not let us in"
        assert found(ask(OPEN, NOWHERE, profile=up.profile(vectors={"api_key": given}))) == set()
        for check in (KEPT, MEMORY):
            assert "`password`" in unlocks(ask(check, NOWHERE, profile=wrong))
        assert "`api_key`" in unlocks(ask(COLLECTION, NOWHERE, profile=wrong))
        for check in (VERSIONS, ENCIPHERED):
            assert "s3:ListBucket" in unlocks(ask(check, NOWHERE, profile=wrong))


def test_redis_as_cache_and_as_data(up: Stores):
    with up.redis_client() as client:
        data, cache = up.profile(cache={"holds": "data"}), up.profile(cache={"holds": "cache"})
        assert found(ask(MEMORY, NOWHERE, profile=data)) == {"cache"}, "data that is evicted"
        client.config_set("maxmemory-policy", "noeviction")
        assert found(ask(MEMORY, NOWHERE, profile=data)) == set()
        assert found(ask(MEMORY, NOWHERE, profile=cache)) == {"cache"}, "a cache that refuses writes"
        client.config_set("maxmemory", 0)
        assert found(ask(MEMORY, NOWHERE, profile=data)) == {"cache"}
        client.config_set("maxmemory", "64mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("appendonly", "no")
        assert found(ask(KEPT, NOWHERE, profile=data)) == set(), "snapshots are taken"
        client.config_set("save", "")
        assert found(ask(KEPT, NOWHERE, profile=data)) == {"cache"}
        assert found(ask(KEPT, NOWHERE, profile=cache)) == set(), "a cache may forget"
        undeclared = up.profile(cache={"holds": None})
        assert "holds: cache" in unlocks(ask(KEPT, NOWHERE, profile=undeclared))
        assert "holds: cache" in unlocks(ask(MEMORY, NOWHERE, profile=undeclared))
        client.config_set("appendonly", "yes")
        client.config_set("save", "3600 1 300 100 60 10000")


def test_redis_whose_snapshots_fail(up: Stores):
    folder = up.workshop.folder / "redis"
    with up.redis_client() as client:
        dump = client.config_get("dbfilename")["dbfilename"]
        # While the file of an earlier test's `appendonly yes` is being written, it takes no snapshot.
        busy = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled")
        assert stage.eventually(lambda: not any(client.info("persistence")[at_work] for at_work in busy))
        (folder / dump).unlink(missing_ok=True)
        (folder / dump).mkdir()  # nothing can be put in its place
        client.bgsave()
        assert stage.eventually(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
        assert found(ask(KEPT, NOWHERE, profile=up.profile())) == {"cache"}
        shutil.rmtree(folder / dump)
        client.bgsave()
        assert stage.eventually(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "ok")
        assert found(ask(KEPT, NOWHERE, profile=up.profile())) == set()


def test_a_user_of_redis_who_may_do_little(up: Stores):
    with up.redis_client() as client:
        client.acl_setuser("auditor", enabled=True, passwords=["+see"], commands=["+ping", "+info"])
        seen = up.profile(cache={"username": "auditor", "password": "see", "holds": "cache"})
        assert found(ask(MEMORY, NOWHERE, profile=seen)) == set(), "INFO is enough"
        client.config_set("appendonly", "no")
        data = up.profile(cache={"username": "auditor", "password": "see"})
        assert "+config|get" in unlocks(ask(KEPT, NOWHERE, profile=data))
        client.config_set("appendonly", "yes")
        client.acl_setuser("auditor", enabled=True, commands=["-info"])
        assert "+info" in unlocks(ask(MEMORY, NOWHERE, profile=data))
        client.acl_deluser("auditor")


def test_a_collection_that_is_not_as_declared(up: Stores):
    def collections(**own: Any) -> Profile:
        return up.profile(vectors={"collections": own})

    assert found(ask(COLLECTION, NOWHERE, profile=collections(gone={"rows": []}))) == {"vectors/gone"}
    other = ask(COLLECTION, NOWHERE, profile=collections(chunks={"size": 1536}))
    assert found(other) == {"vectors/chunks"}
    assert of(other, "vectors/chunks")["size"] == "vector 4"
    declared = collections(chunks={"size": 4, "payload_indexes": ["user_id", "project_id"]})
    without = ask(COLLECTION, NOWHERE, profile=declared)
    assert of(without, "vectors/chunks")["without_index"] == "project_id"
    up.ask_qdrant("PUT", "/collections/chunks/index", {"field_name": "project_id", "field_schema": "uuid"})
    assert found(ask(COLLECTION, NOWHERE, profile=declared)) == set()
    up.ask_qdrant("DELETE", "/collections/chunks/index/project_id")


def test_a_bucket_that_is_not_there_or_forgets(up: Stores):
    gone = up.profile(files={"buckets": {"files": {}, "gone": {}}})
    assert of(ask(UP, NOWHERE, profile=gone), "files")["missing_buckets"] == "gone"
    assert found(ask(VERSIONS, NOWHERE, profile=gone)) == {"files/gone"}
    up.objects.delete_bucket_lifecycle(Bucket="files")
    lasting = ask(VERSIONS, NOWHERE, profile=up.profile())
    assert found(lasting) == {"files/files"}
    assert of(lasting, "files/files") == {"versioned": True, "old_versions_end": False}
    up.objects.put_bucket_lifecycle_configuration(
        Bucket="files",
        LifecycleConfiguration={
            "Rules": [{**RULES[0], "NoncurrentVersionExpiration": {"NoncurrentDays": 30}}],
        },
    )
    assert found(ask(VERSIONS, NOWHERE, profile=up.profile())) == set()


# -- rows and what they name -----------------------------------------------------------------------------------


CHUNKS = {"table": "public.chunks", "column": "point"}
FILES = [
    {"table": "public.files", "column": "key", "deleted": "deleted_at"},
    {"table": 'public."Versions"', "column": "key", "optional": True},
]


def linked(up: Stores, **probing: float) -> Profile:
    made = up.profile(
        vectors={"collections": {"chunks": {"rows": [CHUNKS]}}}, files={"buckets": {"files": {"rows": FILES}}}
    )
    return made.model_copy(update={"probing": profile.Probing(**probing)})


@pytest.fixture
def rows(embedded_database: Database) -> Database:
    """Each row names something, each point and object has its row."""
    embedded_database.run(
        "create table chunks (id int, point uuid); create table files (key text, deleted_at timestamptz);"
        'create table "Versions" (key text)'
    )
    with embedded_database.connect() as session:
        session.cursor().executemany("insert into chunks values (1, %s)", [(i,) for i in IDS])
        session.cursor().executemany("insert into files values (%s)", [(k,) for k in KEYS[:40]])
        session.cursor().executemany('insert into "Versions" values (%s)', [(k,) for k in KEYS[30:]])
    return embedded_database


def test_what_belongs_together_is_no_finding(up: Stores, rows: Database):
    for probing in ({}, {"link_ids": 1000}):
        for check in (UNRESOLVED, ORPHANED):
            assert found(ask(check, rows.dsn(), profile=linked(up, **probing))) == set()
    rows.run("insert into files values ('was/deleted', now()); insert into \"Versions\" values (null)")
    assert found(ask(UNRESOLVED, rows.dsn(), profile=linked(up))) == set(), "deleted rows and optional names"


def test_points_that_were_deleted_and_points_without_a_row(up: Stores, rows: Database):
    extra = "ffffffff-0000-4000-8000-000000000000"
    rows.run(f"insert into chunks values (2, '{extra}'), (3, null); delete from chunks where point = '{IDS[4]}'")
    outcome = ask(UNRESOLVED, rows.dsn(), profile=linked(up))
    assert found(outcome) == {"public.chunks.point"}
    assert of(outcome, "public.chunks.point") == {
        "in": "vectors/chunks",
        "compared": 60,
        "unresolved": 1,
        "examples": [extra],
        "naming_nothing": 1,
    }
    orphaned = ask(ORPHANED, rows.dsn(), profile=linked(up))
    assert found(orphaned) == {"vectors/chunks"}
    assert of(orphaned, "vectors/chunks")["examples"] == [IDS[4]]
    with up.points(extra):
        rows.run(f"insert into chunks values (4, '{IDS[4]}'); delete from chunks where point is null")
        for check in (UNRESOLVED, ORPHANED):
            assert found(ask(check, rows.dsn(), profile=linked(up))) == set()


def test_objects_that_were_deleted_and_objects_without_a_row(up: Stores, rows: Database):
    up.objects.delete_object(Bucket="files", Key=KEYS[35])  # two tables name it
    up.objects.put_object(Bucket="files", Key="ünnamed/é", Body=b"x")
    rows.run("insert into files values ('/var/lib/uploads/1.md')")
    outcome = ask(UNRESOLVED, rows.dsn(), profile=linked(up))
    assert found(outcome) == {"public.files.key", 'public."Versions".key'}
    assert of(outcome, "public.files.key")["examples"] == ["/var/lib/uploads/1.md", KEYS[35]]
    assert of(ask(ORPHANED, rows.dsn(), profile=linked(up)), "files/files")["examples"] == ["ünnamed/é"]
    up.objects.put_object(Bucket="files", Key=KEYS[35], Body=b"x")
    up.objects.delete_object(Bucket="files", Key="ünnamed/é")


def test_keys_with_a_prefix_and_a_deleted_file_that_lies_there_still(up: Stores, embedded_database: Database):
    embedded_database.run("create table files (url text, deleted_at timestamptz)")
    with embedded_database.connect() as session:
        session.cursor().executemany("insert into files values (%s)", [(f"s3://files/{k}",) for k in KEYS])
        session.execute(f"update files set deleted_at = now() where url like '%{KEYS[3]}'")
    named = [{"table": "public.files", "column": "url", "deleted": "deleted_at", "prefix": "s3://files/"}]
    declared = up.profile(files={"buckets": {"files": {"rows": named, "under": "files/"}}})
    for check in (UNRESOLVED, ORPHANED):
        assert found(ask(check, embedded_database.dsn(), profile=declared)) == set()
    embedded_database.run("insert into files values ('s3://elsewhere/x')")
    outcome = ask(UNRESOLVED, embedded_database.dsn(), profile=declared)
    assert of(outcome, "public.files.url")["examples"] == ["s3://elsewhere/x"]


def test_numbers_as_ids_and_text_that_is_no_id(up: Stores, embedded_database: Database):
    embedded_database.run("create table n (id bigint); insert into n values (7), (9), (-1)")
    numbers = up.profile(
        vectors={"collections": {"chunks": {"rows": [{"table": "public.n", "column": "id"}]}}}, files={"buckets": {}}
    )
    with up.points(7):
        outcome = ask(UNRESOLVED, embedded_database.dsn(), profile=numbers)
        assert of(outcome, "public.n.id")["examples"] == ["-1", "9"]
        assert of(ask(ORPHANED, embedded_database.dsn(), profile=numbers), "vectors/chunks")["orphaned"] == 60
    embedded_database.run("alter table n alter id type text; insert into n values ('no id'), ('" + IDS[0] + "')")
    outcome = ask(UNRESOLVED, embedded_database.dsn(), profile=numbers)
    assert of(outcome, "public.n.id")["examples"] == ["-1", "7", "9", "no id"]


def test_what_is_being_written_is_no_finding(up: Stores, rows: Database, monkeypatch: pytest.MonkeyPatch):
    """The row comes a moment after its point, and the point after its row, behind our back."""
    late, early = "aaaaaaaa-0000-4000-8000-000000000000", "bbbbbbbb-0000-4000-8000-000000000000"
    rows.run(f"insert into chunks values (1, '{late}')")
    point = up.points(late)

    def meanwhile(_seconds: float) -> None:
        rows.run(f"insert into chunks values (2, '{early}')")
        point.__enter__()

    monkeypatch.setattr(links, "time", SimpleNamespace(sleep=meanwhile, monotonic=time.monotonic))
    with up.points(early):
        for check in (UNRESOLVED,):
            assert found(ask(check, rows.dsn(), profile=linked(up))) == set()
        point.__exit__(None, None, None)


def test_a_sample_is_told_with_its_confidence(up: Stores, rows: Database):
    with rows.connect() as session:
        session.execute("insert into chunks select 1, point from chunks, generate_series(1, 20)")
        session.execute("analyze chunks")
    drawn = ask(UNRESOLVED, rows.dsn(), profile=linked(up, link_ids=1000))
    evidence = of(drawn, "public.chunks.point")
    assert evidence["sampled"] is True
    assert evidence["confidence"] == 0.95
    assert evidence["at_most_share"] == share_bound(evidence["compared"])
    assert "sampled" not in of(drawn, "public.files.key"), "few enough to compare them all"
    whole = of(ask(ORPHANED, rows.dsn(), profile=linked(up, link_ids=1000)), "vectors/chunks")
    assert whole["sampled"]
    with up.points("eeeeeeee-0000-4000-8000-000000000000"):
        rows.run(f"delete from chunks where point = '{IDS[7]}'; insert into chunks values (1, gen_random_uuid())")
        assert found(ask(ORPHANED, rows.dsn(), profile=linked(up, link_ids=1000))) == {"vectors/chunks"}
        assert found(ask(UNRESOLVED, rows.dsn(), profile=linked(up, link_ids=1000))) == {"public.chunks.point"}


def test_the_bound_of_a_clean_sample():
    """The rule of three, exactly: 1 - 0.05^(1/n)."""
    assert share_bound(0) == 1
    assert share_bound(1) == pytest.approx(0.95)
    assert share_bound(10_000) == pytest.approx(0.000299528, rel=1e-5)


def test_links_that_cannot_be_seen(up: Stores, rows: Database):
    bare = ask(UNRESOLVED, rows.bare_dsn(), profile=linked(up))
    assert isinstance(bare, Unknown)
    assert bare.reason is Reason.NO_PERMISSION
    assert "grant select on public.chunks" in unlocks(bare)
    rows.run("drop table files")
    for check in (UNRESOLVED, ORPHANED):
        gone = ask(check, rows.dsn(), profile=linked(up))
        assert isinstance(gone, Unknown)
        assert "there is no column public.files.key" in gone.detail
    away = up.profile(
        vectors={"url": f"http://127.0.0.1:{stage.free_port()}", "collections": {"chunks": {"rows": [CHUNKS]}}},
        files={"buckets": {}},
    )
    unreachable = ask(UNRESOLVED, rows.dsn(), profile=away)
    assert isinstance(unreachable, Unknown)
    assert unreachable.reason is Reason.UNREACHABLE


def test_rows_that_row_level_security_hides_are_not_thought_away(up: Stores, rows: Database):
    rows.run(
        f"grant select on chunks to {rows.bare_role}; alter table chunks enable row level security;"
        f"create policy own on chunks using (id = 2)"
    )
    only_points = up.profile(vectors={"collections": {"chunks": {"rows": [CHUNKS]}}}, files={"buckets": {}})
    outcome = ask(ORPHANED, rows.bare_dsn(), profile=only_points)
    assert isinstance(outcome, Unknown)
    assert "--tier 5" in unlocks(outcome)


def row(key: int | str) -> tuple[int | str, bool, int]:
    return key, True, 0


def test_a_stream_out_of_order_or_out_of_time_is_no_answer():
    never = time.monotonic() + 60
    for rows, things in (([row("b"), row("a")], ["a"]), ([row("a")], ["b", "a"]), ([row("a")], ["a", 1])):
        with pytest.raises(Unobservable, match="out of order"):
            merge(rows, things, columns=1, most=9, ends=never)
    with pytest.raises(Unobservable, match="refused"):
        merge(failing(Reason.UNREACHABLE), ["a"], columns=1, most=9, ends=never)


def failing(reason: Reason) -> Iterator[tuple[int | str, bool, int]]:
    """Three rows, and no word on whether the third is the last of its key."""
    yield row("a")
    yield row("b")
    yield row("c")
    raise Unobservable(reason, "refused")


def test_when_time_is_over_what_was_compared_by_then_stands():
    late = merge([row("a")], ["a"], columns=1, most=9, ends=time.monotonic() - 1)
    assert (late.ended, late.rows, late.things, late.orphaned) == (True, 0, 0, 0)
    server = merge(failing(Reason.TIMEOUT), ["a", "aa", "c"], columns=1, most=9, ends=inf)
    assert (server.ended, server.rows, server.things) == (True, 2, 2)
    assert (server.alone, server.lost) == (["aa"], [("b", frozenset({0}))])
    with pytest.raises(Unobservable, match="refused"):  # a store that is slow is not what our own limit is about
        merge([row("a")], (key for key, *_ in failing(Reason.TIMEOUT)), columns=1, most=9, ends=inf)


def test_a_comparison_that_is_broken_off_is_unknown_or_a_finding(
    up: Stores, rows: Database, monkeypatch: pytest.MonkeyPatch
):
    """The clock jumps behind a thousand keys: of the rest nothing is said."""
    several = [f"{n:08x}-0000-4000-8000-000000000000" for n in range(2_000)]
    with rows.connect() as session:
        session.cursor().executemany("insert into chunks values (1, %s)", [(i,) for i in several])
    later = iter([0.0, 0.0])
    clock = SimpleNamespace(sleep=lambda _s: None, monotonic=lambda: next(later, 1e9))
    with up.points(*several):
        for check, subject in ((UNRESOLVED, "public.chunks.point"), (ORPHANED, "vectors/chunks")):
            later = iter([0.0, 0.0, 0.0])
            with monkeypatch.context() as patched:
                patched.setattr(links, "time", clock)
                outcome = ask(check, rows.dsn(), profile=linked(up, link_ids=100_000))
            assert isinstance(outcome, Unknown)
            (unseen,) = [u for u in outcome.unseen if u.subject == subject]
            assert unseen.reason is Reason.TIMEOUT
            assert "time was over when " in unseen.detail
            assert 900 < unseen.evidence["compared"] < 1_100
            assert "probing.link_seconds" in (unseen.unlock or "")
        rows.run("insert into chunks values (2, '00000000-0000-4000-8000-00000000000a')")
        later = iter([0.0, 0.0, 0.0])
        monkeypatch.setattr(links, "time", clock)
        lost = ask(UNRESOLVED, rows.dsn(), profile=linked(up, link_ids=100_000))
        assert of(lost, "public.chunks.point")["unresolved"] == 1
        assert of(lost, "public.chunks.point")["broken_off_after_seconds"] == 120


def test_a_sampled_bucket_is_told_with_its_confidence_too(up: Stores, rows: Database, monkeypatch: pytest.MonkeyPatch):
    with rows.connect() as session:
        session.execute("insert into files select key from files, generate_series(1, 40)")
        session.execute("analyze files")
    clean = of(ask(ORPHANED, rows.dsn(), profile=linked(up, link_ids=1000)), "files/files")
    assert (clean["sampled"], clean["out_of"], clean["compared"], clean["orphaned"]) == (True, 60, 60, 0)
    assert (clean["at_most_share"], clean["confidence"]) == (share_bound(60), 0.95)
    monkeypatch.setattr(links, "SAMPLE", 10)
    assert of(ask(ORPHANED, rows.dsn(), profile=linked(up, link_ids=1000)), "files/files")["compared"] == 10
    up.objects.put_object(Bucket="files", Key="unnamed", Body=b"x")
    monkeypatch.setattr(links, "SAMPLE", 61)
    assert found(ask(ORPHANED, rows.dsn(), profile=linked(up, link_ids=1000))) == {"files/files"}
    up.objects.delete_object(Bucket="files", Key="unnamed")
    made = links.draw
    monkeypatch.setattr(links, "draw", lambda keys, number, _ends: made(keys, number, -inf))
    late = ask(ORPHANED, rows.dsn(), profile=linked(up, link_ids=1000))
    assert isinstance(late, Unknown)
    assert [u.reason for u in late.unseen if u.subject == "files/files"] == [Reason.TIMEOUT]


def test_each_key_is_as_likely_to_be_drawn():
    """Of 20 keys each is among 5 that are drawn in a quarter of the draws; beyond 6 standard deviations it isn't chance."""
    times = Counter(k for _ in range(4_000) for k in draw(map(str, range(20)), 5, inf).keys)
    assert set(times) == set(map(str, range(20)))
    assert all(abs(n - 1_000) < 6 * (4_000 * 0.25 * 0.75) ** 0.5 for n in times.values())
    few = draw(["a", "b"], 5, inf)
    assert (few.keys, few.listed, few.at_random) == (["a", "b"], 2, True)


def test_what_is_still_to_be_made_names_nothing(up: Stores, embedded_database: Database):
    """A table of the canonical schema that isn't there: every point is an orphan, and of ids that no row can name nothing is known."""
    named = [{"table": "memory.chunks", "column": "point"}]
    declared = up.profile(vectors={"collections": {"chunks": {"rows": named}}}, files={"buckets": {}})
    canonical = {"memory": profile.Schema.model_validate({"tables": {"chunks": {"columns": {"point": "uuid"}}}})}
    promised = declared.model_copy(update={"schemas": canonical})
    for script in ("", "create schema memory; create table memory.chunks (id int)"):
        embedded_database.run(script)
        for check in (UNRESOLVED, ORPHANED):
            assert isinstance(ask(check, embedded_database.dsn(), profile=declared), Unknown), "perhaps a slip"
        evidence = of(ask(ORPHANED, embedded_database.dsn(), profile=promised), "vectors/chunks")
        assert (evidence["orphaned"], evidence["still_to_be_made"]) == (60, "memory.chunks.point")
        unresolved = ask(UNRESOLVED, embedded_database.dsn(), profile=promised)
        assert isinstance(unresolved, Unknown)
        assert "schema/missing-table" in unlocks(unresolved)


def test_more_differences_than_are_kept_are_counted_all_the_same():
    found = merge(map(row, range(0, 100, 2)), range(1, 100, 2), columns=1, most=3, ends=time.monotonic() + 60)
    assert (found.unresolved, found.orphaned, found.rows, found.things) == ([50], 50, 50, 50)
    assert (found.lost, found.alone) == ([(n, frozenset({0})) for n in (0, 2, 4)], [1, 3, 5])


def test_links_take_no_memory_to_speak_of(measured: Callable[[Callable[[], object]], int]):
    """What is held doesn't grow with the number of ids: `python -m benchmarks links` takes five million."""

    def compare(number: int) -> object:
        ids = (f"{n:032x}" for n in range(number))
        return merge(map(row, (f"{n:032x}" for n in range(number))), ids, columns=1, most=1000, ends=inf)

    small, large = measured(lambda: compare(2_000)), measured(lambda: compare(30_000))
    assert large < small + 50_000
    assert large < 1_000_000


@pytest.fixture
def measured() -> Callable[[Callable[[], object]], int]:
    """The most bytes that a piece of work holds at once."""
    import tracemalloc

    def peak(work: Callable[[], object]) -> int:
        tracemalloc.start()
        try:
            work()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return peak


def test_find_redis(monkeypatch: pytest.MonkeyPatch):
    assert stores.find_redis({"READINESS_REDIS": "/x"}) == Path("/x")
    brought = stores.find_redis({})
    assert brought is not None
    assert brought.name == "valkey-server"
    monkeypatch.setattr(stores.importlib.util, "find_spec", lambda _name: None)
    assert stores.find_redis({}) == REDIS.with_name("redis-server")
    assert not stores.has_stand_ins()


def test_one_redis_store_is_one():
    assert (count_of(1, "Redis stores"), count_of(2, "Redis stores")) == ("1 Redis store", "2 Redis stores")


def test_valkey_answers_as_redis_does():
    program = stores.find_redis({})
    assert program is not None
    with workshop() as made:
        running: Running = stores.start_redis(made, program, settings={"maxmemory": "32mb"})
        declared = {"kind": "redis", "url": running.url, "password": running.secret, "holds": "data"}
        asked = Profile.model_validate({"name": "p", "stores": {"valkey": declared}})
        assert of(ask(UP, NOWHERE, profile=asked), "valkey")["version"].startswith("8.")
        for check in (OPEN, MEMORY, KEPT):
            assert found(ask(check, NOWHERE, profile=asked)) == set()
