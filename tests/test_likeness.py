"""Two databases compared row by row, of every version of the server and of tables whose blocks can't be read by ranges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from conftest import Database
from readiness.drills import likeness, snapshot
from readiness.drills.likeness import Beside, Likeness, Reading, Since
from readiness.embedded import Cluster
from readiness.facts import content

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
    with content.session(two[0].dsn(), seconds=60) as asked:  # 13 would look for each block in the whole table
        assert {table.by_range for table in content.tables(asked)[0]} == {asked.info.server_version >= 140000}
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
    # Also where one of them has few.
    for few, other in (two, two[::-1]):
        few.run("delete from people where id > 50")
        found = compared(two, tmp_path / few.name, next_xid=10**6, rows_up_to=100)
        assert (found.findings, found.unproved) == (
            [],
            ["public.people: more than 100 rows lie in blocks that differ (--rows-up-to)"],
        )
        few.run("insert into people select g, 'person ' || g from generate_series(51, 5000) as g")
        few.run("update people set name = 'x' where id = 7")
        other.run("update people set name = 'person 7' where id = 7")


@pytest.mark.parametrize("rewritten", [0, 1])
def test_a_table_of_two_access_methods_is_not_read_block_by_block(
    debian_cluster: Cluster,
    make_database: Callable[[Cluster], Database],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rewritten: int,
):
    two = make_database(debian_cluster), make_database(debian_cluster)
    two[rewritten].run("create access method other type table handler heap_tableam_handler")
    two[rewritten].run(f"alter database {two[rewritten].name} set default_table_access_method = other")
    for database in two:
        database.run(MADE)
    two[1].run("update people set name = 'x' where id = 7")
    monkeypatch.setattr(content, "blocks", None)
    found = compared(two, tmp_path / "one", next_xid=10**6)
    assert (found.findings, found.unproved) == (["public.people: of 5,000 rows, 1 changed (7)"], [])


def test_recovery_empties_what_was_unlogged_then(copied: Callable[[str], Copied], tmp_path: Path):
    """Not what is unlogged by now."""
    both = copied(f"{MADE} create unlogged table fleeting as select 1 as id")
    both.copy.run("truncate fleeting; update things set name = 'x' where id = 8; delete from people where id = 9")
    both.source.run("alter table things set unlogged; alter table fleeting set logged")
    found = both.compared(tmp_path / "since")
    assert found.findings == ["public.people: of 5,000 rows, 1 missing (9)"]
    assert found.since == {"public.things": 1}
    assert found.notes == ["public.fleeting: is unlogged, and empty behind any recovery"]


@pytest.mark.usefixtures("by_fours")
@pytest.mark.parametrize("versions", [None, "some"])
def test_all_rows_count_whatever_is_read_of_them(copied: Callable[[str], Copied], tmp_path: Path, versions: str | None):
    """Those of ranges that are alike, and of blocks that are within the others, with those that were read."""
    both = copied(MADE)
    both.source.run("update people set name = 'since' where id = 3000")
    found = both.compared(tmp_path / "since", versions=versions, rows_up_to=600)
    assert (found.findings, found.unproved, found.since) == ([], [], {"public.people": 1})
    assert (found.tables, found.rows) == (2, 5029)
    both.copy.run("update people set name = 'x' where id = 2000")
    found = both.compared(tmp_path / "changed", versions=versions, rows_up_to=600)
    assert (found.findings, found.since) == (
        ["public.people: of 5,000 rows, 1 changed (2000)"],
        {"public.people": 1},
    )


@pytest.mark.usefixtures("by_fours")
def test_a_table_that_goes_before_it_is_read_by_content_is_not_proved(
    copied: Callable[[str], Copied], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    both = copied(MADE)
    both.source.run("vacuum full people")
    by_row = likeness._by_row

    def dropped(*arguments: Any) -> set[str]:
        rewritten = by_row(*arguments)
        both.source.run("drop table if exists people")
        return rewritten

    monkeypatch.setattr(likeness, "_by_row", dropped)
    found = both.compared(tmp_path / "gone", versions="some")
    assert (found.findings, found.tables, found.rows) == ([], 1, 30)
    assert found.unproved == ["public.people: was made or dropped while it was read"]


def test_blocks_that_lie_together_are_one_range():
    assert likeness._runs([]) == []
    assert likeness._runs([0, 1, 2, 4, 7, 8, 10]) == [(0, 3), (4, 5), (7, 9), (10, 11)]


@dataclass
class Copied:
    """A database and its copy, page by page, as one cluster makes it: with the same files and transactions."""

    source: Database
    copy: Database
    next_xid: int

    def since(self) -> Since:
        return Since(
            copy=self.copy.dsn(), source=self.source.dsn(), next_xid=self.next_xid, source_xid=_next(self.source)
        )

    def compared(self, folder: Path, *, meanwhile: Callable[[], None] = lambda: None, **options: Any) -> Likeness:
        """Args:
        meanwhile: what is done when both were summed up.
        """
        folder.mkdir()
        reading, found = Reading(**options), Likeness()
        beside = Beside(self.source.dsn(), folder / "source.sums", reading, schema=False)
        copied = Beside(self.copy.dsn(), folder / "copy.sums", reading, schema=False, copy=True)
        beside.wait()
        copied.wait()
        meanwhile()
        likeness.rows(self.source.dsn(), self.copy.dsn(), folder, beside, copied, self.since, reading, found)
        return found


def _next(database: Database) -> int:
    with database.cluster.connect(database.name) as session:
        row = session.execute("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def copied(debian_cluster: Cluster, make_database: Callable[[Cluster], Database]) -> Callable[[str], Copied]:
    def made(statements: str) -> Copied:
        source, copy = make_database(debian_cluster), make_database(debian_cluster)
        source.run(statements)
        with debian_cluster.connect() as admin:
            admin.execute(f"drop database {copy.name}".encode())
            admin.execute(f"create database {copy.name} template {source.name}".encode())
        return Copied(source, copy, _next(source))

    return made


def test_a_key_that_stands_twice_in_the_copy(copied: Callable[[str], Copied], tmp_path: Path):
    """As where the end of a transaction was lost: beside the row, before it or behind it, lies another version of it."""
    both = copied(MADE)
    once = "update pg_index set {} where indrelid = 'things'::regclass"
    for at, name in enumerate(("thing 30", "other")):
        both.copy.run("delete from things where id + 0 = 30")  # the index doesn't know all of them
        both.copy.run(once.format("indisready = false, indislive = false"))
        both.copy.run(f"insert into things values (30, '{name}'), (30, '{'other' if at == 0 else 'thing 30'}')")
        both.copy.run(once.format("indisready = true, indislive = true"))
        found = both.compared(tmp_path / name)
        assert found.findings == ["public.things: of 30 rows, 1 whose key stands twice in the copy (30)"]
    # A source that has it twice, too, is what its copy is.
    both.source.run(once.format("indisready = false, indislive = false"))
    both.source.run("insert into things values (30, 'other')")
    both.source.run("update things set name = 'changed' where id = 7")
    both.source.run(once.format("indisready = true, indislive = true"))
    found = both.compared(tmp_path / "both")
    assert (found.findings, found.since) == ([], {"public.things": 1})


def test_rows_that_are_alike_are_told_apart_by_who_wrote_them(copied: Callable[[str], Copied], tmp_path: Path):
    """One that was written since doesn't take the place of an older one, though it lies before it."""
    both = copied(
        "create table words (word text); insert into words values ('gone'); insert into words select 'word' from generate_series(1, 9);"
        "delete from words where word = 'gone'; vacuum words"
    )
    both.source.run("insert into words values ('word'), ('word')")
    with both.source.cluster.connect(both.source.name) as session:
        assert session.execute("select word from words where ctid = '(0,1)'").fetchall() == [("word",)]
    found = both.compared(tmp_path / "since")
    assert (found.findings, found.since, found.notes) == ([], {"public.words": 2}, [])
    both.copy.run("delete from words where ctid = '(0,5)'")
    found = both.compared(tmp_path / "missing")
    assert (found.findings, found.since) == (
        ["public.words: of 11 rows, 1 missing or changed"],
        {"public.words": 2},
    )


def lock(session: psycopg.Connection[Any]) -> None:
    session.execute("lock table people")


def test_what_one_table_refuses_keeps_nobody_from_the_next(copied: Callable[[str], Copied], tmp_path: Path):
    both = copied(MADE)
    for database in (both.source, both.copy):
        database.run("create table parts (id int primary key); insert into parts select generate_series(1, 5)")
    both.copy.run("update things set name = 'x' where id = 8; update people set name = 'x' where id = 9")
    both.copy.run("delete from parts where id = 3")
    changed = ["public.parts: of 5 rows, 1 missing (3)", "public.things: of 30 rows, 1 changed (8)"]
    both.next_xid = _next(both.source)
    with both.source.cluster.connect(both.source.name) as other, other.transaction():
        found = both.compared(
            tmp_path / "locked",
            meanwhile=lambda: lock(other),
        )
    assert found.findings == changed
    assert found.unproved == ["public.people: could not be compared: canceling statement due to lock timeout"]
    changed.insert(1, "public.people: of 5,000 rows, 1 changed (9)")
    assert both.compared(tmp_path / "free").findings == changed


def test_what_the_copy_refuses_when_its_rows_are_read_is_a_finding(
    copied: Callable[[str], Copied], tmp_path: Path, by_fours: pytest.MonkeyPatch
):
    """The versions of its rows said nothing of what is in them."""
    by_fours.setattr(content, "BY_CONTENT", 2**40)
    both = copied(
        f"create type mood as enum ('good', 'bad'); {MADE}"
        "alter table people add column mood mood; update people set mood = 'bad'; vacuum full people"
    )
    both.copy.run("update people set name = 'x' where id = 9; delete from pg_enum")
    both.copy.run("update things set name = 'x' where id = 8")
    found = both.compared(tmp_path / "without", versions="some")
    assert len(found.findings) == 2
    assert found.findings[0].startswith("public.people: can't be read from the copy: invalid internal value for enum")
    assert (found.findings[1], found.unproved) == ("public.things: of 30 rows, 1 changed (8)", [])


@pytest.fixture
def by_fours(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Tables are summed up by four blocks, and of more than four blocks count as large."""
    for function, name in ((snapshot.take, "chunk_blocks"), (content.chunks, "blocks")):
        monkeypatch.setitem(function.__kwdefaults__ or {}, name, 4)
    monkeypatch.setattr(content, "CHUNK_BLOCKS", 4)
    return monkeypatch


@pytest.mark.usefixtures("by_fours")
@pytest.mark.parametrize("versions", [None, "some"])
def test_a_table_that_is_rewritten_when_it_was_summed_up(
    copied: Callable[[str], Copied], tmp_path: Path, versions: str | None
):
    """Its rows lie elsewhere by then: neither missing, nor uncompared."""
    both = copied(MADE)
    both.source.run("delete from people where id = 1; update people set name = 'since' where id = 2")
    both.copy.run("delete from people where id = 4000")
    found = both.compared(
        tmp_path / "rewritten", meanwhile=lambda: both.source.run("vacuum full people"), versions=versions
    )
    assert found.findings == ["public.people: of 4,999 rows, 1 missing (4000)"]
    assert (found.unproved, found.since) == ([], {"public.people": 1})
    assert found.notes == ["public.people: 1 rows of the copy were deleted since, as far as can be told"]


def test_places_are_of_whichever_side_holds_more():
    """By version where both sides are read so; the rows that are compared one by one are those of the larger side."""
    asked: list[bool] = []

    def side(rows: int, salt: str | None) -> Any:
        def blocks(_chunk: content.Chunk, *, by_version: bool) -> set[tuple[int, int, str, str]]:
            asked.append(by_version)
            return {(0, 5, "1", "0"), (1, rows, str(rows), "0")}

        return SimpleNamespace(table=SimpleNamespace(salt=salt), blocks=blocks)

    chunk = content.Chunk(relation="r", first=0, end=None)
    for one, other in ((3, 9), (9, 3)):
        assert likeness._places(side(one, "s"), side(other, "s"), [chunk], 8) is None
        assert likeness._places(side(one, "s"), side(other, "s"), [chunk], 9) == (
            [content.Chunk(relation="r", first=1, end=2)],
            5,
        )
    assert set(asked) == {True}
    asked.clear()
    assert likeness._places(side(3, "s"), side(3, None), [chunk], 8) == ([], 8)
    assert asked == [False, False]
