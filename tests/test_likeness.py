"""Two databases compared row by row, of every version of the server and of tables whose blocks can't be read by ranges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Database
from readiness.drills import likeness
from readiness.drills.likeness import Beside, Likeness, Reading, Since
from readiness.embedded import Cluster

MADE = """
create table people (id int primary key, name text);
insert into people select g, 'person ' || g from generate_series(1, 5000) as g;
create table things (id int primary key, name text);
insert into things select g, 'thing ' || g from generate_series(1, 30) as g;
"""


@pytest.fixture
def two(older_cluster: Cluster, make_database: Callable[[Cluster], Database]) -> tuple[Database, Database]:
    source, copy = make_database(older_cluster), make_database(older_cluster)
    for database in (source, copy):
        database.run(MADE)
    return source, copy


def compared(two: tuple[Database, Database], folder: Path, *, next_xid: int | None = None, **options: int) -> Likeness:
    """Args:
    next_xid: None for a logical copy.
    """
    folder.mkdir()
    source, copy = (database.dsn() for database in two)
    reading, found = Reading(**options), Likeness()  # type: ignore[arg-type]
    beside = Beside(source, folder / "source.sums", reading, schema=False)
    copied = Beside(copy, folder / "copy.sums", reading, schema=False, copy=True)

    def since() -> Since:
        return Since(copy=copy, source=source, next_xid=next_xid, source_xid=next_xid or 10**6)

    likeness.rows(source, copy, folder, beside, copied, since, reading, found)
    return found


def test_every_version_of_the_server(two: tuple[Database, Database], tmp_path: Path):
    assert compared(two, tmp_path / "same").tables == 2
    two[1].run("update people set name = 'x' where id = 7; delete from people where id = 9")
    two[1].run("update things set name = 'x' where id = 8")
    changed = ["public.people: of 5,000 rows, 1 missing (9), 1 changed (7)", "public.things: of 30 rows, 1 changed (8)"]
    found = compared(two, tmp_path / "logical")
    assert (found.findings, found.unproved) == (changed, [])
    found = compared(two, tmp_path / "physical", next_xid=10**6)
    assert (found.findings, found.unproved) == (changed, [])
    # What is too much of one table keeps nobody from the next.
    found = compared(two, tmp_path / "little", rows_up_to=100)
    assert (found.findings, found.unproved) == (
        changed[1:],
        ["public.people: more than 100 rows lie in blocks that differ (--rows-up-to)"],
    )


def test_another_access_method_is_not_read_block_by_block(
    debian_cluster: Cluster, make_database: Callable[[Cluster], Database], tmp_path: Path
):
    two = make_database(debian_cluster), make_database(debian_cluster)
    for database in two:
        database.run("create access method other type table handler heap_tableam_handler")
        database.run("set default_table_access_method = other;" + MADE)
    two[1].run("update people set name = 'x' where id = 7")
    found = compared(two, tmp_path / "one", next_xid=10**6)
    assert (found.findings, found.unproved) == (["public.people: of 5,000 rows, 1 changed (7)"], [])
    found = compared(two, tmp_path / "little", next_xid=10**6, rows_up_to=100)
    assert found.unproved == ["public.people: more than 100 rows lie in blocks that differ (--rows-up-to)"]
