"""Plans of critical queries, on a real table of a million rows: what is wrong is named, its remedy takes it away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from asking import ask, found
from conftest import DEBIAN, Database
from readiness.embedded import Cluster
from readiness.facts.advice import compared
from readiness.model import Examined, Reason, Unknown
from readiness.profile import Profile
from stage import eventually


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


# -- which index would help ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "columns"),
    [
        ("(orders.customer = 7)", ["customer"]),
        ("((orders.id > 5) AND (orders.customer = 7))", ["customer", "id"]),
        ("((orders.id > 5) AND (orders.id < 9) AND (orders.city < 3))", ["id"]),
        ("((orders.customer = 7) OR (orders.city = 3))", []),
        ("(lower(orders.note) = 'x'::text)", []),
        ("((orders.note)::text = 'city = 3'::text)", ["note"]),
        ("(orders.city = ANY ('{1,2}'::integer[]))", ["city"]),
        ("(orders.region = (orders.city + 1))", ["region"]),
        ('(o."Odd name" = 1)', ["Odd name"]),
        ("(customers.customerid = 1)", []),
        ("(NOT (orders.note ~~ '%x%'::text))", []),
    ],
)
def test_what_a_condition_compares(condition: str, columns: list[str]):
    there = ["id", "customer", "city", "region", "note", "Odd name"]
    assert compared(condition, there) == columns


def test_an_index_is_proposed_with_what_the_planner_makes_of_it(million: Database):
    declared = profile("select id, note from public.orders where customer = $1 and id > $2", [[7, 100], [11, 5]])

    def look():
        outcome = ask("performance/sequential-scan", million.dsn(), profile=declared)
        assert isinstance(outcome, Examined)
        return outcome

    by_hand = look().findings[0]
    assert by_hand.remedy == "create index concurrently orders_customer_id_idx on public.orders (customer, id);"
    assert "not estimated" in str(by_hand.evidence["effect"])
    if not (DEBIAN.parent.parent.parent.parent / "share/postgresql/15/extension/hypopg.control").exists():
        pytest.skip("hypopg is not installed (apt-get install postgresql-15-hypopg)")
    if million.cluster.runtime.bindir == DEBIAN:
        million.run("create extension hypopg")
        asked = look().findings[0]
        assert asked.remedy == by_hand.remedy
        assert asked.evidence["effect"] == "estimated, by hypopg"
        assert 0 < asked.evidence["cost_with_index"] < asked.evidence["cost"] / 10
        with million.connect() as other:
            assert other.execute("select count(*) from pg_indexes where tablename = 'orders'").fetchone() == (1,)
        million.run("drop extension hypopg")
    million.run((by_hand.remedy or "").replace(";", ""))
    mended = look()
    million.run("drop index orders_customer_id_idx")
    assert not mended.findings


def test_partitions_that_are_read_in_vain(million: Database):
    million.run(
        """
        create table events (at int not null, kind int not null) partition by range (at);
        create table events_0 partition of events for values from (0) to (10);
        create table events_1 partition of events for values from (10) to (20);
        create table events_2 partition of events for values from (20) to (30);
        create table events_3 partition of events for values from (30) to (40);
        create table events_4 partition of events for values from (40) to (50);
        insert into events select n % 50, n / 50 from generate_series(0, 999) as n;
        insert into events values (45, 777);
        analyze events
        """
    )
    declared = profile(
        {
            "unaware": "select * from public.events where kind = 777",
            "pruned": "select * from public.events where kind = 777 and at = 45",
            "all": "select count(*) from public.events",
            "late": "select * from public.events where kind = 777 and at = (select 45)",  # left out at run time
            "other": "select * from public.customers where id = 3",
        }
    )
    outcome = ask("performance/partition-read-in-vain", million.dsn(), profile=declared)
    assert found(outcome) == {"unaware"}
    assert isinstance(outcome, Examined)
    evidence = outcome.findings[0].evidence
    assert (evidence["table"], evidence["partitions_read"], evidence["gave_nothing"]) == ("public.events", 5, 4)
    million.run("drop table events")


def test_what_production_runs_by_its_generic_plan(million: Database):
    check = "performance/statement-reads-whole"
    million.run("create extension pg_stat_statements")
    with million.connect() as admin:
        admin.execute("select pg_stat_statements_reset()")
        for n in range(3):
            admin.execute("select note from public.orders where customer = %s", [n])
            admin.execute("select note from orders where id = %s", [n])
            admin.execute("select sum(id) from public.orders")
            admin.execute("update public.orders set note = note where id = %s", [-n])
    outcome = ask(check, million.dsn())
    assert isinstance(outcome, Examined)
    (bad,) = outcome.findings
    assert "where customer = $1" in str(bad.evidence["statement"])
    assert bad.evidence["table"] == "public.orders"
    assert bad.evidence["estimated_rows"] < 1000
    fine = [str(o.evidence["statement"]) for o in outcome.observations if o.ok]
    assert any("sum(id)" in text for text in fine)
    assert any("orders where id = $1" in text for text in fine)
    assert not any("update" in text for text in fine)
    million.run("create index orders_customer on orders (customer)")
    mended = ask(check, million.dsn())
    million.run("drop index orders_customer")
    assert found(mended) == set()
    assert isinstance(mended, Examined)
    assert not mended.unseen
    million.run("create table gone (id int); select id from gone; drop table gone; select 1 is null")
    unplanned = ask(check, million.dsn())
    assert isinstance(unplanned, Examined)
    said = {(u.reason, u.detail.partition(" (")[0]) for u in unplanned.unseen}
    assert said == {
        (Reason.UNSUPPORTED, 'relation "gone" does not exist'),
        (
            Reason.NOT_OBSERVABLE,
            "no plan can be had without its values: could not determine data type of parameter $1",
        ),
    }
    million.run(f"grant pg_monitor to {million.bare_role}")
    unseen = ask(check, million.bare_dsn())
    million.run(f"revoke pg_monitor from {million.bare_role}")
    assert isinstance(unseen, Unknown)
    assert unseen.reason is Reason.NO_PERMISSION
    with million.connect() as admin:  # nothing of ours is left
        ours = "select count(*) from pg_stat_activity where application_name like 'readiness%'"
        assert eventually(lambda: admin.execute(ours).fetchone() == (0,))  # a server process ends behind its client
    million.run("drop extension pg_stat_statements")
