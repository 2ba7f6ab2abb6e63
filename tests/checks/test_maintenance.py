"""What holds for a whole server: its settings, transaction ids, slots, sessions. On a server of our own that each test
sets right again, and on the shared ones where nothing but a database changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest
from psycopg import sql

from asking import ask, found, remedies
from conftest import Database, statements
from readiness import embedded
from readiness.embedded import Cluster
from readiness.model import Examined, NotApplicable, Observation, Reason, Unknown
from stage import eventually

# Of a server, not of a database: each is asked on every version.
CHECKS = [
    "operations/autovacuum-off",
    "operations/collation-version-mismatch",
    "operations/connections-nearly-exhausted",
    "operations/data-checksums-off",
    "operations/database-not-utf8",
    "operations/inactive-replication-slot",
    "operations/multixacts-running-out",
    "operations/orphaned-prepared-transaction",
    "operations/silent-log",
    "operations/statistics-not-collected",
    "operations/transaction-ids-running-out",
    "operations/transaction-left-open",
    "operations/unbounded-slot-wal",
    "operations/unsafe-durability-setting",
    "operations/vacuum-held-back",
    "performance/blocked-session",
    "performance/checkpoints-on-demand",
    "performance/deadlocks",
    "performance/many-rollbacks",
    "performance/planner-switch-off",
    "performance/role-without-timeout",
    "performance/temp-file-spill",
    "security/no-password-rules",
    "security/password-expiring",
    "security/password-without-end",
]


@pytest.fixture(scope="module")
def own() -> Iterator[Cluster]:
    """As a production server: it syncs."""
    with embedded.cluster(settings={"max_prepared_transactions": 5, "wal_level": "logical"}, purpose="test") as made:
        with made.connect() as admin:
            admin.execute("create role looker login password 'bare-role-of-a-test'")
        yield made


def bare(cluster: Cluster) -> str:
    return cluster.dsn(user="looker", password="bare-role-of-a-test")


def findings(check: str, dsn: str, **parameters: str | int) -> dict[str, Observation]:
    outcome = ask(check, dsn, parameters=parameters)
    if isinstance(outcome, NotApplicable):
        return {}
    assert isinstance(outcome, Examined), outcome
    return {o.subject: o for o in outcome.findings}


def run(cluster: Cluster, script: str, database: str = "postgres") -> None:
    with cluster.connect(database) as admin:
        for statement in statements(script):
            admin.execute(statement.encode())


def test_they_answer_on_every_version(older_cluster: Cluster):
    for check in CHECKS:
        assert not isinstance(ask(check, older_cluster.dsn()), Unknown), check


# -- settings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "setting", "bad", "good"),
    [
        ("operations/unsafe-durability-setting", "fsync", "off", "on"),
        ("operations/unsafe-durability-setting", "full_page_writes", "off", "on"),
        ("operations/unsafe-durability-setting", "synchronous_commit", "off", "local"),
        ("performance/planner-switch-off", "enable_nestloop", "off", "on"),
        ("performance/planner-switch-off", "enable_partition_pruning", "off", "on"),
        ("operations/autovacuum-off", "autovacuum", "off", "on"),
        ("operations/autovacuum-off", "track_counts", "off", "on"),
        ("operations/statistics-not-collected", "track_activities", "off", "on"),
        ("operations/statistics-not-collected", "track_io_timing", "off", "on"),
        ("operations/silent-log", "log_lock_waits", "off", "on"),
        ("operations/silent-log", "log_checkpoints", "off", "on"),
        ("operations/silent-log", "log_min_messages", "fatal", "error"),
        ("operations/silent-log", "log_destination", "", "stderr"),
        ("operations/silent-log", "log_temp_files", "-1", "0"),
        ("operations/silent-log", "log_autovacuum_min_duration", "-1", "1s"),
        ("operations/silent-log", "log_min_duration_statement", "-1", "0"),
        ("operations/silent-log", "log_min_duration_statement", "24d", "1h"),
    ],
)
def test_a_setting_is_found_and_set_right(own: Cluster, check: str, setting: str, bad: str, good: str):
    def set_to(value: str) -> None:
        run(own, f"alter system set {setting} = '{value}'; select pg_reload_conf()")

    def told(dsn: str) -> Observation | None:
        return findings(check, dsn).get(setting)

    set_to(good)
    assert eventually(lambda: told(own.dsn()) is None), "a value that will do is flagged"
    assert told(bare(own)) is None
    set_to(bad)
    finding = eventually(lambda: told(own.dsn()))
    assert finding
    assert told(bare(own)), "a bare role sees it too"
    run(own, finding.remedy)
    assert eventually(lambda: told(own.dsn()) is None)
    run(own, f"alter system reset {setting}; select pg_reload_conf()")


def test_a_sample_of_the_slow_statements_will_do(own: Cluster):
    run(own, "alter system set log_min_duration_sample = '500ms'; select pg_reload_conf()")
    assert eventually(lambda: "log_min_duration_statement" not in findings("operations/silent-log", own.dsn()))
    run(own, "alter system set log_statement_sample_rate = 0; select pg_reload_conf()")
    assert eventually(lambda: "log_min_duration_statement" in findings("operations/silent-log", own.dsn())), (
        "of nothing"
    )
    run(
        own,
        "alter system reset log_statement_sample_rate; alter system reset log_min_duration_sample; select pg_reload_conf()",
    )
    # What the auditor's role has for itself says nothing of the others.
    run(own, "alter role postgres set log_min_duration_statement = '1s'")
    outcome = ask("operations/silent-log", own.dsn())
    run(own, "alter role postgres reset log_min_duration_statement")
    assert isinstance(outcome, Examined)
    assert [u.subject for u in outcome.unseen] == ["log_min_duration_statement"]
    assert "log_min_duration_statement" not in found(outcome)


def test_settings_of_roles_and_databases_count(own: Cluster):
    check = "operations/unsafe-durability-setting"
    run(
        own,
        """
        create database of_own;
        alter role looker set synchronous_commit = off;
        alter database of_own set synchronous_commit = 'OFF';
        alter role looker in database of_own set synchronous_commit = false;
        alter role postgres set synchronous_commit = remote_write;
        alter role postgres set work_mem = '64MB';
        """,
    )
    try:
        named = {
            "synchronous_commit for role looker",
            "synchronous_commit in database of_own",
            "synchronous_commit for role looker in database of_own",
        }
        assert set(findings(check, own.dsn())) == named
        for remedy in remedies(ask(check, own.dsn())):
            run(own, remedy)
        assert findings(check, own.dsn()) == {}
    finally:
        run(own, "drop database of_own; alter role postgres reset all")


def test_checksums_off_is_found_where_they_are(debian_cluster: Cluster, embedded_cluster: Cluster):
    """Off by default before 18, on since."""
    assert set(findings("operations/data-checksums-off", debian_cluster.dsn())) == {"data_checksums"}
    assert findings("operations/data-checksums-off", embedded_cluster.dsn()) == {}


# -- databases -------------------------------------------------------------------------------------------------


@contextmanager
def made_database(cluster: Cluster, name: str, options: str) -> Iterator[str]:
    with cluster.connect() as admin:
        admin.execute(f"create database {name} template template0 {options}".encode())
    try:
        yield cluster.dsn(name)
    finally:
        with cluster.connect() as admin:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_an_encoding_that_is_not_utf8_is_found(own: Cluster, encoding: str):
    with made_database(own, "odd_text", f"encoding '{encoding}'") as dsn:
        assert set(findings("operations/database-not-utf8", dsn)) == {"odd_text"}
    assert findings("operations/database-not-utf8", own.dsn()) == {}


def test_a_collation_that_moved_under_an_index_is_found_and_mended(debian_cluster: Cluster):
    check = "operations/collation-version-mismatch"
    with made_database(debian_cluster, "moved", "locale_provider icu icu_locale 'en'") as dsn:
        assert findings(check, dsn) == {}
        run(
            debian_cluster,
            """
            create collation "Of, ""ours" (provider = icu, locale = 'de');
            create collation unused (provider = icu, locale = 'fr');
            create table t (a text collate "Of, ""ours" primary key, b text);
            create index on t (b);
            update pg_collation set collversion = '1.2' where collname in ('Of, "ours', 'unused');
            update pg_database set datcollversion = '1.2' where datname = 'moved';
            """,
            "moved",
        )
        assert set(findings(check, dsn)) == {"moved", 'collation public."Of, ""ours"'}
        for remedy in remedies(ask(check, dsn)):
            run(debian_cluster, remedy, "moved")
        assert findings(check, dsn) == {}


def test_before_15_the_databases_own_collation_is_not_known(older_cluster: Cluster):
    if older_cluster.runtime.major >= 15:
        check = ask("operations/collation-version-mismatch", older_cluster.dsn())
        assert isinstance(check, Examined), "and later it is"
        return
    with made_database(older_cluster, "sorted", "lc_collate 'C.UTF-8' lc_ctype 'C.UTF-8'") as dsn:
        assert isinstance(ask("operations/collation-version-mismatch", dsn), Unknown)


# -- transaction ids -------------------------------------------------------------------------------------------


def test_ids_that_run_out_are_found_and_frozen():
    """The counters are moved ahead on a stopped server, as years of work would."""
    with embedded.cluster(settings={"autovacuum_naptime": "1s"}, purpose="test") as made:
        made.stop()
        ahead = 600_000_000
        for folder, per_segment in (("pg_xact", 32768 * 32), ("pg_multixact/offsets", 2048 * 32)):
            segment = made.data / folder / f"{ahead // per_segment:04X}"
            segment.write_bytes(bytes(256 * 1024))
            made.give(segment)
        made.tool("pg_resetwal", "-f", "-x", str(ahead), "-m", f"{ahead},1", str(made.data))
        made.start()
        with made.connect() as admin:
            admin.execute("create role looker login password 'bare-role-of-a-test'")
        for check, millions in (
            ("operations/transaction-ids-running-out", 500),
            ("operations/multixacts-running-out", 550),
        ):
            named = findings(check, made.dsn(), millions=millions)
            assert named, check
            assert findings(check, bare(made), millions=millions), check
            assert findings(check, made.dsn(), millions=2000) == {}
        # What autovacuum does by itself from here on, and what the remedy does at once for the oldest table.
        run(made, "vacuum (freeze)")
        for check in ("operations/transaction-ids-running-out", "operations/multixacts-running-out"):
            assert eventually(lambda check=check: findings(check, made.dsn(), millions=500) == {}, 90), check


def test_the_oldest_tables_remedy_runs(own: Cluster):
    for check in ("operations/transaction-ids-running-out", "operations/multixacts-running-out"):
        outcome = findings(check, own.dsn(), millions=0)
        assert set(outcome) >= {"postgres", "template0", "template1"}
        run(own, outcome["postgres"].remedy or "")
        assert outcome["template0"].remedy is None


# -- replication slots and prepared transactions -----------------------------------------------------------------


def test_a_slot_nobody_reads_from_is_found_and_dropped(own: Cluster):
    check = "operations/inactive-replication-slot"
    run(own, "select pg_create_physical_replication_slot('left_behind', true)")
    with own.connect() as reader:
        reader.execute("select pg_create_physical_replication_slot('of_a_session', true, true)")
        assert set(findings(check, own.dsn())) == {"left_behind"}
        finding = findings(check, bare(own))["left_behind"]
        assert set(findings("operations/unbounded-slot-wal", bare(own))) == {"max_slot_wal_keep_size"}
    run(own, findings("operations/unbounded-slot-wal", own.dsn())["max_slot_wal_keep_size"].remedy or "")
    assert eventually(lambda: findings("operations/unbounded-slot-wal", own.dsn()) == {})
    run(own, finding.remedy or "")
    assert findings(check, own.dsn()) == {}
    run(own, "alter system reset max_slot_wal_keep_size; select pg_reload_conf()")


def test_a_prepared_transaction_is_found_in_its_database(database: Database):
    check = "operations/orphaned-prepared-transaction"
    with database.connect() as session:
        session.execute("create table t (a int)")
        session.execute("begin")
        session.execute("insert into t values (1)")
        session.execute("prepare transaction 'it''s \"odd\"'")
    elsewhere = database.cluster.dsn()
    assert findings(check, elsewhere) == {}
    assert set(findings(check, database.bare_dsn())) == {'it\'s "odd"'}
    assert findings(check, database.dsn(), seconds=3600) == {}
    (finding,) = findings(check, database.dsn()).values()
    database.run(finding.remedy or "")
    assert found(ask(check, database.dsn())) == set()


# -- sessions --------------------------------------------------------------------------------------------------


def test_a_transaction_left_open_is_found_and_ended(own: Cluster):
    check = "operations/transaction-left-open"
    with own.connect(application_name="forgetful") as session, own.connect() as idle:
        session.execute("begin")
        session.execute("select 1")
        pid, idle_pid = str(session.info.backend_pid), str(idle.info.backend_pid)
        assert findings(check, own.dsn()) == {}, "a moment is no offence"
        assert set(findings(check, own.dsn(), idle_seconds=0)) == {pid}
        assert pid in findings(check, own.dsn(), open_seconds=0)
        assert idle_pid not in findings(check, own.dsn(), open_seconds=0)
        as_bare = ask(check, bare(own), parameters={"idle_seconds": 0})
        assert isinstance(as_bare, Unknown)
        assert as_bare.unlock == "grant pg_monitor to looker;"
        finding = findings(check, own.dsn(), idle_seconds=0)[pid]
        assert finding.evidence["application_name"] == "forgetful"
        run(own, finding.remedy or "")
        assert eventually(lambda: findings(check, own.dsn(), idle_seconds=0) == {})
        with pytest.raises(psycopg.OperationalError):
            session.execute("select 1")


def test_what_a_session_does_that_tells_nothing_is_not_known(own: Cluster):
    """With track_activities off a session has no state, and no time at which its transaction began."""
    check = "operations/transaction-left-open"
    with own.connect() as session:
        session.execute("set track_activities = off")
        session.execute("begin")
        session.execute("select 1")
        outcome = ask(check, own.dsn(), parameters={"idle_seconds": 0})
        assert isinstance(outcome, Unknown)
        (unseen,) = outcome.unseen
        assert (unseen.subject, unseen.reason) == (str(session.info.backend_pid), Reason.NOT_OBSERVABLE)
        assert "track_activities = on" in str(unseen.unlock)


def test_a_role_whose_changes_nobody_counts(own: Cluster):
    check = "operations/autovacuum-off"
    run(own, "create role uncounted login; alter role uncounted set track_counts = off")
    try:
        finding = findings(check, own.dsn())["track_counts for role uncounted"]
        assert set(findings(check, bare(own))) == {"track_counts for role uncounted"}
        run(own, finding.remedy or "")
        run(own, "alter role uncounted set track_counts = on")
        assert findings(check, own.dsn()) == {}
    finally:
        run(own, "drop role uncounted")


def test_limits_that_are_nearly_reached_are_found(own: Cluster):
    check = "operations/connections-nearly-exhausted"
    run(own, "create role few login password 'x' connection limit 2; create role none_yet login connection limit 9")
    run(own, "create database small connection limit 4")
    try:
        assert findings(check, own.dsn()) == {}
        assert isinstance(ask(check, bare(own)), Examined), "there is room whatever they are"
        with (
            own.connect("small", user="few", password="x"),
            own.connect("small", user="few", password="x"),
            own.connect("small"),
        ):
            assert set(findings(check, own.dsn())) == {"role few"}
            assert set(findings(check, own.dsn(), percent=70)) == {"role few", "database small"}
            as_bare = ask(check, bare(own))
            assert isinstance(as_bare, Unknown), "it can't tell whether these are clients"
            assert "all connections" in findings(check, own.dsn(), percent=1)
    finally:
        run(own, "drop database small with (force); drop role few; drop role none_yet")


def test_what_holds_vacuum_back_is_found(own: Cluster):
    check = "operations/vacuum-held-back"
    slots = "select pg_create_physical_replication_slot('of_no_horizon'), "
    run(own, slots + "pg_create_logical_replication_slot('of_a_reader', 'pgoutput')")
    old = own.connect(application_name="report")
    with closing(old), own.connect() as writer, own.connect() as idle:
        old.execute("begin isolation level repeatable read")
        old.execute("select 1")
        writer.execute("create table held (a int)")
        writer.execute("begin")
        writer.execute("insert into held values (1)")
        writer.execute("prepare transaction 'left, \"behind\"'")
        for _ in range(20):
            writer.execute("select txid_current()")
        pid = str(old.info.backend_pid)
        named = findings(check, own.dsn(), transactions=20)
        assert set(named) == {pid, 'left, "behind"', "of_a_reader"}
        assert named[pid].evidence["by_whom"] == "report"
        assert findings(check, own.dsn()) == {}
        as_bare = ask(check, bare(own), parameters={"transactions": 20})
        assert isinstance(as_bare, Examined)
        assert {o.subject for o in as_bare.findings} == {'left, "behind"', "of_a_reader"}
        assert {pid, str(idle.info.backend_pid)} <= {u.subject for u in as_bare.unseen}
        for finding in named.values():
            run(own, finding.remedy or "")
        assert eventually(lambda: findings(check, own.dsn(), transactions=20) == {})
    run(own, "select pg_drop_replication_slot('of_no_horizon'); drop table held")


def test_a_session_that_waits_for_a_lock_is_found(own: Cluster):
    check = "performance/blocked-session"
    run(own, "create table wanted (a int)")
    with own.connect() as holder, psycopg.connect(own.dsn(), autocommit=True) as waiter:
        holder.execute("begin")
        holder.execute("lock table wanted")
        waiter.pgconn.send_query(b"select * from wanted")
        pid = str(waiter.info.backend_pid)
        assert eventually(lambda: set(findings(check, own.dsn(), seconds=0)) == {pid})
        assert findings(check, own.dsn()) == {}, "a moment is no offence"
        assert isinstance(ask(check, bare(own), parameters={"seconds": 0}), Unknown)
        holder.execute("rollback")
        while waiter.pgconn.get_result():
            pass
        assert findings(check, own.dsn(), seconds=0) == {}
    run(own, "drop table wanted")


def test_roles_without_timeouts_are_found_where_the_setting_really_holds(own: Cluster):
    check = "performance/role-without-timeout"
    run(
        own,
        """
        create role hasty login;
        create role half login;
        create role by_database login;
        create role "of, ""none" login;
        create role zero login;
        create role group_only;
        create role copies login replication;
        alter role hasty set statement_timeout = '5s';
        alter role hasty set idle_in_transaction_session_timeout = '1min';
        alter role half set statement_timeout = '5s';
        alter role by_database in database postgres set statement_timeout = '5s';
        alter role by_database in database postgres set idle_in_transaction_session_timeout = '5s';
        alter role by_database set statement_timeout = 0;
        alter role zero set statement_timeout = '0ms';
        alter role zero set idle_in_transaction_session_timeout = '0';
        """,
    )
    try:
        named = findings(check, own.dsn())
        assert set(named) - {"looker"} == {"half", '"of, ""none"', "zero"}
        assert set(findings(check, bare(own))) == {"half", '"of, ""none"', "zero"}, "itself it leaves out"
        assert {"hasty", "by_database"} & set(findings(check, own.dsn("template1"))) == {"by_database"}
        run(own, "alter role postgres set statement_timeout = '1h'")
        covered = ask(check, own.dsn())
        assert isinstance(covered, Examined)
        assert '"of, ""none"' in {u.subject for u in covered.unseen} | found(covered)
        run(own, "alter role postgres reset all")
        for finding in named.values():
            run(own, finding.remedy or "")
        assert findings(check, own.dsn()) == {}
        run(own, "alter role zero set statement_timeout = 0; alter database postgres set statement_timeout = '1min'")
        assert set(findings(check, own.dsn())) == {"zero"}, "the role's own goes before the database's"
    finally:
        run(own, "alter database postgres reset all; alter role looker reset all; alter role postgres reset all")
        run(own, 'drop role hasty; drop role half; drop role by_database; drop role "of, ""none"')
        run(own, "drop role zero; drop role group_only; drop role copies")


def test_planner_switches_of_roles_and_databases_count(own: Cluster):
    check = "performance/planner-switch-off"
    run(
        own,
        """
        alter role looker set enable_hashjoin = 'False';
        alter role looker set enable_mergejoin = on;
        alter role looker set enable_partitionwise_join = off;
        alter database template1 set enable_seqscan = off;
        """,
    )
    try:
        named = findings(check, own.dsn())
        assert set(named) == {"enable_hashjoin of role looker", "enable_seqscan of database template1"}
        assert "enable_hashjoin of role looker" in findings(check, bare(own))
        for finding in named.values():
            run(own, finding.remedy or "")
        assert findings(check, own.dsn()) == {}
    finally:
        run(own, "alter role looker reset all; alter database template1 reset all")


def test_passwords_that_end(own: Cluster):
    run(
        own,
        """
        create role over login valid until '2020-01-01';
        create role soon login;
        create role "late, r" login valid until '2099-01-01';
        create role endless login valid until 'infinity';
        create role no_login valid until '2020-01-01';
        """,
    )
    run(own, "do $$ begin execute format('alter role soon valid until %L', now() + interval '5 days'); end $$")
    try:
        for dsn in (own.dsn(), bare(own)):
            assert set(findings("security/password-expiring", dsn)) == {"over", "soon"}
            assert set(findings("security/password-expiring", dsn, days=3)) == {"over"}
            assert set(findings("security/password-without-end", dsn)) == {"endless", "looker", "postgres"}
        run(own, "alter role over nologin; alter role soon valid until '2099-01-01'")
        assert findings("security/password-expiring", own.dsn()) == {}
    finally:
        run(own, 'drop role over; drop role soon; drop role "late, r"; drop role endless; drop role no_login')


def test_rules_for_passwords(own: Cluster):
    check = "security/no-password-rules"
    assert set(findings(check, own.dsn())) == {"shared_preload_libraries"}
    as_bare = ask(check, bare(own))
    assert isinstance(as_bare, Unknown)
    assert as_bare.unlock == "grant pg_read_all_settings to looker;"
    run(own, "alter system set authentication_timeout = '2min'; select pg_reload_conf()")
    assert eventually(lambda: "authentication_timeout" in findings(check, bare(own)))
    run(own, "alter system reset authentication_timeout; select pg_reload_conf()")


# -- counters of a database --------------------------------------------------------------------------------------


def test_what_a_database_counts_is_judged_by_the_day(database: Database):
    """Each is made to happen once, judged by a limit of none, and by the usual one."""
    database.run("create table t (a int primary key); insert into t values (1), (2)")
    with database.connect() as one, database.connect() as other:
        for session in (one, other):
            session.execute("begin")
        one.execute("set deadlock_timeout = '60s'")
        other.execute("set deadlock_timeout = '50ms'")
        one.execute("update t set a = a where a = 1")
        other.execute("update t set a = a where a = 2")
        one.pgconn.send_query(b"update t set a = a where a = 2")
        with pytest.raises(psycopg.errors.DeadlockDetected):
            other.execute("update t set a = a where a = 1")
        other.execute("rollback")
        while one.pgconn.get_result():
            pass
        one.execute("rollback")
        other.execute("set work_mem = '64kB'")
        other.execute("select count(*) from (select g from generate_series(1, 200000) as g order by -g) as s")
    name = database.name
    limits: list[tuple[str, dict[str, str | int]]] = [
        ("performance/deadlocks", {"a_day": 0}),
        ("performance/many-rollbacks", {"rollbacks": 1, "percent": 0}),
        ("performance/temp-file-spill", {"megabytes_a_day": 0}),
    ]
    for check, none in limits:
        for dsn in (database.dsn(), database.bare_dsn()):
            assert eventually(lambda c=check, d=dsn, n=none: set(findings(c, d, **n)) == {name}), check
            assert findings(check, dsn) == {}, check
    database.run("select pg_stat_reset()")
    for check, none in limits:
        if check != "performance/many-rollbacks":
            assert eventually(lambda c=check, n=none: findings(c, database.dsn(), **n) == {}), check


def test_sessions_that_are_cut_off_are_counted(database: Database, older_cluster: Cluster):
    check = "performance/sessions-cut-off"
    with database.connect() as one:
        pid = one.info.backend_pid
        database.run(f"select pg_terminate_backend({pid})")
    for dsn in (database.dsn(), database.bare_dsn()):
        assert eventually(lambda d=dsn: set(findings(check, d, sessions=1, percent=0)) == {database.name})
        assert findings(check, dsn) == {}
    assert isinstance(ask(check, older_cluster.dsn()), Unknown if older_cluster.runtime.major < 14 else Examined)


def test_checkpoints_on_demand_are_found(own: Cluster):
    check = "performance/checkpoints-on-demand"
    before = findings(check, own.dsn(), checkpoints=1, percent=0)
    run(own, "create table written (a int); insert into written values (1); checkpoint")
    named = eventually(lambda: findings(check, own.dsn(), checkpoints=1, percent=0))
    assert set(named) == {"checkpoints"}, before
    assert set(findings(check, bare(own), checkpoints=1, percent=0)) == {"checkpoints"}
    assert findings(check, own.dsn()) == {}
    run(own, named["checkpoints"].remedy or "")
    run(own, "alter system set max_wal_size = '2000000000MB'; select pg_reload_conf()")
    most = eventually(
        lambda: [
            o for o in findings(check, own.dsn(), checkpoints=1, percent=0).values() if "2147483647" in str(o.remedy)
        ]
    )
    run(own, most[0].remedy or "")  # twice as much is more than the server takes
    run(own, "alter system reset max_wal_size; select pg_reload_conf(); drop table written")


def test_a_damaged_page_that_somebody_met(own: Cluster):
    """By the server's own counter, since the error went to whoever read the page, and to the log."""
    check = "operations/data-checksums-off"
    run(own, "create table spoilt as select generate_series(1, 100) as id; checkpoint")
    with own.connect() as admin:
        (path,) = admin.execute("select pg_relation_filepath('spoilt')").fetchone()  # type: ignore[misc]
    assert findings(check, own.dsn()) == {}
    own.stop()
    file = own.data / path
    page = bytearray(file.read_bytes())
    page[8000] ^= 0xFF
    file.write_bytes(page)
    own.start()
    with pytest.raises(psycopg.errors.DataCorrupted):
        run(own, "select count(*) from spoilt")
    told = eventually(lambda: findings(check, own.dsn()))
    assert set(told) == {"pages of postgres"}
    assert set(findings(check, bare(own))) == {"pages of postgres"}
    run(own, "drop table spoilt; select pg_stat_reset()")
    assert eventually(lambda: findings(check, own.dsn()) == {})
