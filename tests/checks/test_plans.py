"""Plans of critical queries, on a real table of a million rows: what is wrong is named, its remedy takes it away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from asking import ask, found
from conftest import Database
from readiness.embedded import Cluster
from readiness.model import Examined, Reason, Unknown
from readiness.profile import Profile


@pytest.fixture(scope="module")
def million(cluster_of_plans: Cluster) -> Iterator[Database]:
    database = Database(cluster_of_plans, "t_plans_of_a_million")
    with cluster_of_plans.connect() as admin:
        admin.execute(f"create database {database.name} template template0")
        admin.execute(f"create role {database.bare_role} login password 'bare-role-of-a-test'")
    database.run(
        """
        create table orders as
            select n as id, n % 50000 as customer, n % 1000 as city, (n % 1000) / 10 as region, md5(n::text) as note
            from generate_series(1, 1000000) as n;
        alter table orders add primary key (id);
        create table customers as select n as id, n % 100 as tier from generate_series(0, 49999) as n;
        alter table customers add primary key (id);
        analyze
        """
    )
    yield database
    with cluster_of_plans.connect() as admin:
        admin.execute(f"drop database {database.name} with (force)")
        admin.execute(f"drop role {database.bare_role}")


@pytest.fixture(scope="module", params=["debian", "embedded"])
def cluster_of_plans(request: pytest.FixtureRequest) -> Cluster:
    made: Cluster = request.getfixturevalue(f"{request.param}_cluster")
    return made


def profile(sql: str | dict[str, str], values: list | None = None, **probing) -> Profile:
    texts = sql if isinstance(sql, dict) else {"q": sql}
    queries = {name: {"sql": text, "values": values or []} for name, text in texts.items()}
    return Profile.model_validate({"name": "t", "queries": queries, "probing": probing})


def plan_of(database: Database, declared: Profile) -> dict[str, object]:
    outcome = ask("performance/sequential-scan", database.dsn(), profile=declared)
    assert isinstance(outcome, Examined)
    (only,) = outcome.observations
    return dict(only.evidence)


def test_a_missing_index_is_named_and_another_plan_is_seen_when_it_is_there_and_when_it_is_lost(million: Database):
    by_customer = profile("select id, note from public.orders where customer = $1", [[7], [11], [49000]])
    outcome = ask("performance/sequential-scan", million.dsn(), profile=by_customer)
    assert found(outcome) == {"q"}
    assert isinstance(outcome, Examined)
    evidence = outcome.findings[0].evidence
    assert (evidence["table"], evidence["rows_read"], evidence["rows_kept"]) == ("public.orders", 1_000_000, 20)
    assert "customer" in str(evidence["condition"])
    missing = plan_of(million, by_customer)
    million.run("create index orders_customer on orders (customer)")
    indexed = plan_of(million, by_customer)
    assert found(ask("performance/sequential-scan", million.dsn(), profile=by_customer)) == set()
    assert "orders_customer" in str(indexed["plan"])
    assert (
        indexed["plan_fingerprint"] == plan_of(million, by_customer)["plan_fingerprint"] != missing["plan_fingerprint"]
    )
    million.run("drop index orders_customer")
    assert plan_of(million, by_customer)["plan_fingerprint"] == missing["plan_fingerprint"]


def test_near_misses_of_a_sequential_scan(million: Database):
    texts = {
        "whole": "select sum(id) from public.orders",
        "most": "select count(*) from public.orders where city > 100",
        "small": "select * from public.customers where tier = 3",
        "first": "select * from public.orders where city = 3 limit 1",
    }
    assert found(ask("performance/sequential-scan", million.dsn(), profile=profile(texts))) == set()


def test_a_bad_estimate_is_named_and_statistics_mend_it(million: Database):
    """City decides region: the planner multiplies their shares, and expects a hundredth of what comes."""
    declared = profile("select note from public.orders where city = 42 and region = 4")
    outcome = ask("performance/misestimated-query", million.dsn(), profile=declared, parameters={"rows": 500})
    assert found(outcome) == {"q"}
    assert isinstance(outcome, Examined)
    evidence = outcome.findings[0].evidence
    assert evidence["table"] == "public.orders"
    assert evidence["actual_rows"] == 1000
    assert evidence["estimated_rows"] < 100
    million.run("create statistics orders_places (dependencies) on city, region from orders; analyze orders")
    mended = ask("performance/misestimated-query", million.dsn(), profile=declared, parameters={"rows": 500})
    million.run("drop statistics orders_places; analyze orders")
    assert found(mended) == set()


def test_what_a_limit_stops_is_no_bad_estimate(million: Database):
    declared = profile("select * from public.orders where city < 500 limit 5")
    assert found(ask("performance/misestimated-query", million.dsn(), profile=declared)) == set()


def test_a_spill_is_named_and_gone_with_more_memory(million: Database):
    declared = profile("select note from public.orders order by note offset 999990")
    outcome = ask("performance/spilling-query", million.dsn(), profile=declared)
    assert found(outcome) == {"q"}
    assert isinstance(outcome, Examined)
    evidence = outcome.findings[0].evidence
    assert evidence["spilled_mb"] > 10
    assert evidence["steps"] == "Sort"
    million.run(f"alter database {million.name} set work_mem = '512MB'")
    mended = ask("performance/spilling-query", million.dsn(), profile=declared)
    million.run(f"alter database {million.name} reset work_mem")
    assert found(mended) == set()


def test_a_loop_over_many_rows_is_named(million: Database):
    million.run(f"alter database {million.name} set enable_hashjoin = off")
    million.run(f"alter database {million.name} set enable_mergejoin = off")
    text = "select count(*) from public.orders as o join public.customers as c on c.id = o.customer and c.tier = o.city % 100"
    declared = profile({"many": f"{text} where o.id < 60000", "few": f"{text} where o.id < 600"})
    outcome = ask("performance/looping-query", million.dsn(), profile=declared)
    million.run(f"alter database {million.name} reset all")
    assert found(outcome) == {"many"}
    assert found(ask("performance/looping-query", million.dsn(), profile=declared)) == set()


def test_what_takes_too_long_is_not_called_well(million: Database):
    declared = profile(
        "select count(*) from public.orders where pg_sleep(0.001) is not null",
        statement_seconds=0.2,
    )
    for check in ("sequential-scan", "spilling-query", "misestimated-query", "looping-query"):
        outcome = ask(f"performance/{check}", million.dsn(), profile=declared)
        assert isinstance(outcome, Unknown), check
        assert outcome.reason is Reason.TIMEOUT, check


def test_a_role_that_may_not_read_is_told_the_grant(million: Database):
    declared = profile("select id from public.orders where customer = 1")
    for check in ("sequential-scan", "spilling-query", "misestimated-query", "looping-query"):
        outcome = ask(f"performance/{check}", million.bare_dsn(), profile=declared)
        assert isinstance(outcome, Unknown), check
        assert outcome.unlock == f"grant select on public.orders to {million.bare_role};"
