"""A DDL statement holds one table: every check of the catalog looks at all others and names that one, or needn't open it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import conforming
import stage
from asking import asking, checks
from conftest import Database
from readiness.embedded import Cluster
from readiness.model import SUBJECT_KINDS, Examined, NotApplicable, Outcome, Reason, Unknown

# Two of each kind: one that is held, and one beside it that has to be judged as before.
TABLE = """
create table {name} (
    id serial primary key, at timestamp default now(), doc json, flag text check (flag in ('a', 'b')) default 'a',
    up int references {name}, fee money, tags text[], code varchar(36) default gen_random_uuid()::text, password text,
    twice int generated always as (id * 2) stored
);
create index on {name} (lower(flag)) where at > '2020-01-01';
create index on {name} (lower(flag)) where at > '2020-01-01';
create index on {name} (tags);
alter table {name} enable row level security;
create policy open on {name} using (true);
create policy slow on {name} using (flag = current_setting('app.flag'));
alter table {name} add constraint late check (id > 0) not valid;
grant all on {name} to public;
create view {name}_view as select * from {name};
create function {name}_touch() returns trigger language plpgsql as 'begin return new; end';
create trigger touch before update on {name} for each row execute function {name}_touch();
alter table {name} disable trigger touch;
create table {name}_days (day date not null, n int) partition by range (day);
create table {name}_days_1 partition of {name}_days for values from ('2020-01-01') to ('2020-02-01');
create index on {name}_days (n);
"""
HELD = ["held", "held_days", "held_days_1", "held_view"]


@pytest.fixture(scope="module", params=["debian", "embedded"])
def made(request: pytest.FixtureRequest) -> Iterator[Database]:
    cluster: Cluster = request.getfixturevalue(f"{request.param}_cluster")
    with stage.database(cluster) as database:
        database.run(TABLE.format(name="held") + TABLE.format(name="free"))
        yield database


def test_each_check_gives_up_on_the_held_tables_alone(made: Database):
    of_the_catalog = [
        i for i, c in checks().items() if c.source.startswith("/*---") and SUBJECT_KINDS[c.info.subject_kind]
    ]
    with asking(made.dsn()) as asked:
        before = {i: asked(i) for i in of_the_catalog}
        with made.connect() as ddl, ddl.transaction():
            ddl.execute("lock table held, held_days, held_view in access exclusive mode")
            during = {i: asked(i) for i in of_the_catalog}
    assert {i: told for i in of_the_catalog if (told := _what_was_lost(before[i], during[i])) is not None} == {}
    assert sum(isinstance(o, Examined) and bool(o.findings) for o in during.values()) > 20, "there is something to find"
    assert any(isinstance(o, Examined) and o.unseen for o in during.values()), "one of them has to open what is held"


def test_what_is_declared_of_the_other_tables_is_compared(made: Database, tmp_path: Path):
    wanted = conforming.declare(made.dsn(), tmp_path)
    made.run("alter table free alter column flag set default 'b'")
    with made.connect() as ddl, ddl.transaction(), asking(made.dsn(), profile=wanted) as asked:
        ddl.execute("lock table held, held_days, held_view in access exclusive mode")
        outcomes = {i: asked(i) for i in conforming.CHECKS}
    made.run("alter table free alter column flag set default 'a'")
    found = {
        i: [o.subject for o in told.observations if not o.ok]
        for i, told in outcomes.items()
        if isinstance(told, Examined | Unknown)
    }
    assert {i: subjects for i, subjects in found.items() if subjects} == {"schema/column-differs": ["public.free.flag"]}
    unseen = {
        u.subject.removeprefix("public.")
        for told in outcomes.values()
        if isinstance(told, Examined | Unknown)
        for u in told.unseen
    }
    assert unseen
    assert all(subject.startswith("held") for subject in unseen), unseen


def _what_was_lost(before: Outcome, during: Outcome) -> str | None:
    """What else than the held tables a check lost by the lock; None where nothing."""
    if isinstance(during, Unknown) and not during.unseen:
        return None if isinstance(before, Unknown) and before.reason is during.reason else during.detail
    if isinstance(before, NotApplicable) or isinstance(during, NotApplicable):
        return None if type(before) is type(during) else f"{before} {during}"
    locked = [u for u in during.unseen if u.reason is Reason.LOCKED]
    if other := [u.subject for u in locked if u.subject.removeprefix("public.") not in HELD]:
        return f"named as held: {other}"
    lost = {o.subject for o in before.observations if not o.ok} - {o.subject for o in during.observations if not o.ok}
    named = {u.subject for u in locked}
    unexplained = {s for s in lost if not any(s == n or s.startswith((f"{n}:", f"{n}.", f"{n}_")) for n in named)}
    return f"lost: {sorted(unexplained)}" if unexplained else None
