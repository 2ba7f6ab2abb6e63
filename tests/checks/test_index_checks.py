"""Indexes of which a story can't tell: one that is being built, one of a partitioned table, one that must not be dropped."""

from __future__ import annotations

import threading

import psycopg
import pytest

from asking import ask, found
from conftest import Database
from readiness.model import Examined, Observation, Reason, Unknown
from stage import eventually


def findings(check: str, database: Database) -> dict[str, Observation]:
    outcome = ask(check, database.dsn())
    assert isinstance(outcome, Examined), outcome
    return {o.subject: o for o in outcome.findings}


def test_an_index_that_is_being_built_is_no_finding(database: Database):
    database.run("create table t (a int); create table read (a int)")
    with database.connect() as reader:
        reader.execute("begin; select from t")  # the builder waits for whoever may not know the index yet
        reader.execute("insert into t values (1)")

        def build() -> None:
            with database.connect() as builder:
                builder.execute("create index concurrently being_built on t (a)")

        builder = threading.Thread(target=build)
        builder.start()
        try:
            with database.connect() as watcher:
                invalid = "select from pg_index where not indisvalid"
                assert eventually(lambda: watcher.execute(invalid).rowcount)
            assert findings("performance/invalid-index", database) == {}
            as_bare = ask("performance/invalid-index", database.bare_dsn())
            assert isinstance(as_bare, Unknown), "who sees no progress can't tell it from a failed one"
            assert as_bare.reason is Reason.LOCKED
            assert "pg_monitor" in str(as_bare.unlock)
        finally:
            reader.execute("rollback")
            builder.join(30)
    assert findings("performance/invalid-index", database) == {}


def test_a_build_that_failed_is_found_by_everybody_and_mended(database: Database):
    database.run("create table t (a int); insert into t values (1), (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        database.run("create unique index concurrently cut_short on t (a)")
    assert found(ask("performance/invalid-index", database.bare_dsn())) == {"public.cut_short"}
    database.run("delete from t")
    database.run(findings("performance/invalid-index", database)["public.cut_short"].remedy or "")
    assert findings("performance/invalid-index", database) == {}


def test_an_index_of_a_partitioned_table_waits_for_its_parts(database: Database):
    database.run(
        """
        create table root (id int) partition by range (id);
        create table root_1 partition of root for values from (0) to (10);
        create index whole on only root (id);
        """
    )
    assert findings("performance/invalid-index", database)["public.whole"].remedy is None
    database.run("create index part on root_1 (id); alter index whole attach partition part")
    assert findings("performance/invalid-index", database) == {}


def test_nulls_not_distinct_is_another_rule(database: Database):
    """Since 15; both servers know it."""
    database.run(
        """
        create table t (a int);
        create unique index distinct_nulls on t (a);
        create unique index one_null on t (a) nulls not distinct;
        """
    )
    assert findings("performance/duplicate-index", database) == {}
    database.run("create unique index one_null_2 on t (a) nulls not distinct")
    assert set(findings("performance/duplicate-index", database)) == {"public.one_null_2"}


def test_what_foreign_keys_rely_on_is_kept_or_left_to_a_person(database: Database):
    database.run(
        """
        create table t (a int not null);
        create unique index plain on t (a);
        create table child (a int references t (a));
        alter table t add primary key (a);
        create table u (a int not null unique);
        create unique index u_2 on u (a);
        alter table u add constraint second unique (a);
        create table d (a int);
        create unique index at_once on d (a);
        alter table d add constraint later unique (a) deferrable;
        create table e (a int primary key deferrable);
        create unique index at_once_too on e (a);
        """
    )
    offered = {subject: o.remedy for subject, o in findings("performance/duplicate-index", database).items()}
    assert offered == {
        "public.plain": None,
        "public.u_2": "drop index concurrently public.u_2;",
        "public.second": "alter table public.u drop constraint second;",
        "public.later": "alter table public.d drop constraint later;",
        "public.at_once_too": None,
    }


def test_the_statement_is_given_where_the_statistics_reach_back(database: Database):
    database.run(
        "create table t (a int); insert into t select generate_series(1, 2000); create index unread on t (a);"
        "select pg_sleep(1.2)"
    )
    young = findings("performance/unused-index", database)["public.unread"]
    assert young.remedy is None
    assert float(str(young.evidence["counted_for_days"])) < 7
    outcome = ask("performance/unused-index", database.dsn(), parameters={"days": 0})
    assert isinstance(outcome, Examined)
    (old,) = outcome.findings
    assert old.remedy == "drop index concurrently public.unread;"
    database.run(old.remedy)
    assert found(ask("performance/unused-index", database.dsn())) == set()
