"""How long blocks take from the disk, and what the write-ahead log is made of: by the server's own counters."""

from __future__ import annotations

from collections.abc import Callable

from asking import ask
from conftest import Database
from readiness.embedded import Cluster
from readiness.model import Examined, Outcome, Reason, Unknown
from stage import eventually, reload

READS, IMAGES = "performance/slow-block-reads", "performance/full-page-images"


def healthy(outcome: Outcome) -> list[bool]:
    assert isinstance(outcome, Examined), outcome
    return [o.ok for o in outcome.observations]


def test_slow_block_reads(database: Database):
    untimed = ask(READS, database.bare_dsn())
    assert isinstance(untimed, Unknown)
    assert (untimed.reason, "track_io_timing" in (untimed.unlock or "")) == (Reason.NOT_CONFIGURED, True)

    database.run(f"alter database {database.name} set track_io_timing = on")
    few = ask(READS, database.bare_dsn())
    assert isinstance(few, Unknown)
    assert few.reason is Reason.INSUFFICIENT_SAMPLES
    with database.connect() as reader:  # more than it may keep in memory, so that each look reads it anew
        reader.execute("set temp_buffers = 100")
        reader.execute("create temporary table t as select repeat('x', 1000) as x from generate_series(1, 5000)")
        for _ in range(2):
            reader.execute("select count(*), pg_stat_force_next_flush() from t")
    for dsn in (database.dsn(), database.bare_dsn()):
        assert healthy(ask(READS, dsn, parameters={"reads": 1, "milliseconds": 0})) == [False]
        assert healthy(ask(READS, dsn, parameters={"reads": 1, "milliseconds": 60_000})) == [True]


def test_full_page_images(older_cluster: Cluster, make_database: Callable[[Cluster], Database]):
    database = make_database(older_cluster)
    database.run("create table t (n int); insert into t select generate_series(1, 10000)")
    now = {"megabytes": 0, "days": 0}
    if older_cluster.runtime.major < 14:
        outcome = ask(IMAGES, database.dsn(), parameters=now)
        assert isinstance(outcome, Unknown)
        assert outcome.reason is Reason.UNSUPPORTED
        return
    with older_cluster.connect() as admin:
        admin.execute("alter system set full_page_writes = on")
    reload(older_cluster)
    try:
        database.run("checkpoint; update t set n = n; checkpoint; update t set n = n")
    finally:
        with older_cluster.connect() as admin:
            admin.execute("alter system reset full_page_writes")
        reload(older_cluster)
    too_early = ask(IMAGES, database.bare_dsn())
    assert isinstance(too_early, Unknown)
    assert too_early.reason is Reason.INSUFFICIENT_SAMPLES
    for dsn in (database.dsn(), database.bare_dsn()):  # a session hands its counts over when it has ended
        assert eventually(lambda d=dsn: healthy(ask(IMAGES, d, parameters=now | {"percent": 0})) == [False])
        assert healthy(ask(IMAGES, dsn, parameters=now | {"percent": 100})) == [True]
    database.run(f"alter database {database.name} set wal_compression = on")
    assert healthy(ask(IMAGES, database.dsn(), parameters=now | {"percent": 0})) == [True]
