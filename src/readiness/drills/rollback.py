"""The rollback drill: each migration up, down and up again, compared at each step, on empty tables and on filled ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self

import psycopg

from readiness.drift import differences
from readiness.drills import DrillError, rows
from readiness.drills.replay import Command, StepError, Way, apply_all, bookkeeping, fingerprint
from readiness.drills.scratch import Database, Server
from readiness.facts.fingerprint import SchemaFingerprint
from readiness.facts.frameworks.form import MigrationFile
from readiness.facts.postgres import Postgres

MOST_DIFFERENCES = 20


class Defect(StrEnum):
    """What is wrong with a migration."""

    UP_FAILS = "up fails"
    UP_FAILS_ON_ROWS = "up fails where there are rows"
    UP_FAILS_AGAIN = "up fails after down"
    UP_DIFFERS = "up makes another schema the second time"
    DOWN_MISSING = "there is no down"
    DOWN_FAILS = "down fails"
    DOWN_FAILS_ON_ROWS = "down fails where there are rows"
    DOWN_DIFFERS = "down does not bring the schema back"
    DATA_LOST = "down does not bring the data back"
    RESIDUE = "undone to the first, something is left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One defect of one migration.

    Args:
        first: the first object that differs, or what the server said.
        differences: all of them, in words, up to a cap.
    """

    migration: str
    defect: Defect
    first: str
    differences: tuple[str, ...] = ()

    def __str__(self) -> str:
        more = len(self.differences) - 1
        return f"{self.migration}: {self.defect}: {self.first}{f' (and {more} more)' if more > 0 else ''}"


@dataclass(slots=True, kw_only=True)
class Step:
    """One migration's walk.

    Args:
        up, down, again: seconds; None where it was not walked.
        sha256: of the schema behind it.
    """

    migration: str
    up: float | None = None
    down: float | None = None
    again: float | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the drill found.

    Args:
        unreached: migrations that it could not come to, since one before them fails.
        without_rows: table -> why no row could be made for it: what is lost of it would not show.
        to_nothing: whether the whole chain was undone, down to what was there before the first.
        roles: what was made beside the database: a rollback doesn't take it back unless it says so.
        dropped: what the way down to nothing takes along, with the seed or the made rows in it.
        seeds_refused: why the seeds could not be loaded at any step; None where they were, or there are none.
    """

    steps: tuple[Step, ...]
    findings: tuple[Finding, ...]
    unreached: tuple[str, ...]
    without_rows: dict[str, str] = field(default_factory=dict)
    to_nothing: bool
    with_rows: bool
    roles: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    seeds_refused: str | None = None

    @property
    def passed(self) -> bool:
        return not self.findings and not self.unreached and self.to_nothing


@dataclass(slots=True)
class _Ground:
    """A scratch database and the session that fingerprints it, made anew where a failed step left a wreck."""

    server: Server
    way: Way
    framework: str | None
    stack: ExitStack = field(default_factory=ExitStack)
    database: Database | None = None
    session: Postgres | None = None

    def __enter__(self) -> Self:
        self.renew([])
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def renew(self, applied: Sequence[MigrationFile]) -> None:
        """A fresh database with these migrations applied.

        Raises:
            StepError: one that was fine before fails now.
        """
        self.stack.close()
        self.database = self.stack.enter_context(self.server.database())
        self.session = Postgres(self.database.dsn)
        self.stack.callback(self.session.close)
        apply_all(self.way, self.database, applied)

    @property
    def here(self) -> Database:
        assert self.database is not None
        return self.database

    def look(self) -> SchemaFingerprint:
        return fingerprint(self.here, self.framework, self.session)

    def touched(self) -> bool:
        """Whether anything was made in the database, be it only the framework's bookkeeping."""
        (row,) = self.here.session("rows").execute("select count(*) from pg_catalog.pg_class where oid >= 16384")
        return bool(row[0])


def drill(
    server: Server,
    way: Way,
    migrations: Sequence[MigrationFile],
    *,
    framework: str | None,
    with_rows: bool = True,
    seeds: Sequence[Path] = (),
    told: Callable[[str], None] = lambda _step: None,
) -> Result:
    """Walk every migration up, down and up; then the whole chain down; then the same with rows in the tables.

    Args:
        seeds: SQL files; loaded as soon as the schema takes them all.
        told: hears of each step.

    Raises:
        DrillError: the scratch database can't be worked with.
    """
    before = server.roles()
    with _Ground(server, way, framework) as ground:
        walk = _Walk(ground, migrations, told)
        walk.up_and_down()
        walk.down_to_nothing()
    made = server.roles() - before
    found, steps, unreached = walk.findings, walk.steps, walk.unreached
    without: dict[str, str] = {}
    dropped: list[str] = []
    refused: str | None = None
    to_nothing = walk.at_nothing
    if with_rows:
        if server.private:
            server.drop_roles(made)  # so that the second walk begins where the first did
        blamed = {f.migration for f in found}
        with _Ground(server, way, framework) as ground:
            filled = _FilledWalk(ground, [m for m in migrations if m.path not in unreached], told, blamed, seeds)
            filled.up_and_down()
            filled.down_to_nothing()
        found = [*found, *filled.findings]
        without, dropped = filled.without, filled.dropped
        refused = filled.seed_refusal if filled.seeds else None
        to_nothing = to_nothing and (filled.at_nothing or bool(filled.findings))
    order = {m.path: at for at, m in enumerate(migrations)}
    return Result(
        steps=tuple(steps),
        findings=tuple(sorted(found, key=lambda f: order[f.migration])),
        unreached=tuple(unreached),
        without_rows=without,
        to_nothing=to_nothing,
        with_rows=with_rows,
        roles=tuple(sorted(made)),
        dropped=tuple(dropped),
        seeds_refused=refused,
    )


class _Walk:
    """On empty tables."""

    def __init__(self, ground: _Ground, migrations: Sequence[MigrationFile], told: Callable[[str], None]) -> None:
        self.ground = ground
        self.migrations = migrations
        self.told = told
        self.findings: list[Finding] = []
        self.steps: list[Step] = []
        self.unreached: list[str] = []
        self.at_nothing = False
        self._schemas: list[SchemaFingerprint] = []

    def up_and_down(self) -> None:
        self._schemas = [self.ground.look()]
        for at, migration in enumerate(self.migrations):
            self.told(f"{at + 1} of {len(self.migrations)}: {migration.path}")
            step = Step(migration=migration.path)
            self.steps.append(step)
            try:
                step.up = self.ground.way.up(self.ground.here, migration)
            except StepError as error:
                self._find(migration, Defect.UP_FAILS, [str(error)])
                self.unreached = [m.path for m in self.migrations[at + 1 :]]
                return
            after = self.ground.look()
            step.sha256 = after.sha256
            if at == 0 and isinstance(self.ground.way, Command) and not self.ground.touched():
                raise DrillError(
                    "migrations.commands.up left no trace in the scratch database, so it worked on another one: see that it "
                    f"takes its address from {self.ground.way.commands.url_variable}; nothing more was run"
                )
            if not self._there_and_back(migration, step, self._schemas[-1], after):
                self.ground.renew(self.migrations[: at + 1])
            self._schemas.append(after)

    def _there_and_back(
        self, migration: MigrationFile, step: Step, before: SchemaFingerprint, after: SchemaFingerprint
    ) -> bool:
        """Down and up again; whether the database is sound behind it."""
        way, here = self.ground.way, self.ground.here
        if not way.undoes(migration):
            self._find(migration, Defect.DOWN_MISSING, ["nothing says how to undo it"])
            return True
        try:
            step.down = way.down(here, migration)
        except StepError as error:
            self._find(migration, Defect.DOWN_FAILS, [str(error)])
            return False
        undone = differences(before, self.ground.look())
        if undone:
            self._find(migration, Defect.DOWN_DIFFERS, [str(d) for d in undone])
            return False
        try:
            step.again = way.up(here, migration)
        except StepError as error:
            self._find(migration, Defect.UP_FAILS_AGAIN, [str(error)])
            return False
        redone = differences(after, self.ground.look())
        if redone:
            self._find(migration, Defect.UP_DIFFERS, [str(d) for d in redone])
        return not redone

    def down_to_nothing(self) -> None:
        """The whole chain, undone one by one; where a step is known to be broken, it can't be walked."""
        if self.findings:
            return
        for migration, before in zip(reversed(self.migrations), reversed(self._schemas[:-1]), strict=True):
            self.told(f"down: {migration.path}")
            try:
                self.ground.way.down(self.ground.here, migration)
            except StepError as error:
                self._find(migration, Defect.DOWN_FAILS, [f"in the whole chain: {error}"])
                return
            left = differences(before, self.ground.look())
            if left:
                self._find(migration, Defect.RESIDUE, [str(d) for d in left])
                return
        self.at_nothing = True

    def _find(self, migration: MigrationFile, defect: Defect, told: Sequence[str]) -> None:
        shown = tuple(told[:MOST_DIFFERENCES])
        self.findings.append(Finding(migration=migration.path, defect=defect, first=shown[0], differences=shown))


class _FilledWalk(_Walk):
    """With rows in every table that takes some. What is broken on empty tables already is not told twice."""

    def __init__(
        self,
        ground: _Ground,
        migrations: Sequence[MigrationFile],
        told: Callable[[str], None],
        blamed: set[str],
        seeds: Sequence[Path],
    ) -> None:
        super().__init__(ground, migrations, told)
        self.blamed = blamed
        self.without: dict[str, str] = {}
        self.dropped: list[str] = []
        self.seeds = list(seeds)
        self.seed_refusal = ""
        self._filled: set[str] = set()

    def up_and_down(self) -> None:
        for at, migration in enumerate(self.migrations):
            self.told(f"with rows, {at + 1} of {len(self.migrations)}: {migration.path}")
            self._fill()
            before = self._contents()
            try:
                self.ground.way.up(self.ground.here, migration)
            except StepError as error:
                if migration.path not in self.blamed:
                    self._find(migration, Defect.UP_FAILS_ON_ROWS, [str(error)])
                self.unreached = [m.path for m in self.migrations[at:]]
                return
            if migration.path in self.blamed:
                if self.ground.way.undoes(migration):
                    self._try_data_of_the_blamed(at, migration, before)
                continue
            try:
                self.ground.way.down(self.ground.here, migration)
            except StepError as error:
                self._find(migration, Defect.DOWN_FAILS_ON_ROWS, [str(error)])
                self._renew(at + 1)
                continue
            lost = rows.losses(before, self._contents())
            if lost:
                self._find(migration, Defect.DATA_LOST, lost)
            try:
                self.ground.way.up(self.ground.here, migration)
            except StepError as error:
                self._find(migration, Defect.UP_FAILS_ON_ROWS, [f"after down: {error}"])
                self._renew(at + 1)
        self._fill()

    def _try_data_of_the_blamed(self, at: int, migration: MigrationFile, before: dict[str, rows.Content]) -> None:
        """A down that forgets an index may lose rows as well; then the database is made anew."""
        try:
            self.ground.way.down(self.ground.here, migration)
        except StepError:
            pass  # told already
        else:
            lost = [told for told in rows.losses(before, self._contents()) if "the table is gone" not in told]
            if lost:
                self._find(migration, Defect.DATA_LOST, lost)
        self._renew(at + 1)

    def down_to_nothing(self) -> None:
        """What the way down takes along, and whether rows stand in its way."""
        if self.findings or self.blamed or self.unreached:
            return
        for migration in reversed(self.migrations):
            self.told(f"with rows, down: {migration.path}")
            before = self._contents()
            try:
                self.ground.way.down(self.ground.here, migration)
            except StepError as error:
                self._find(migration, Defect.DOWN_FAILS_ON_ROWS, [f"in the whole chain: {error}"])
                return
            self.dropped += [f"{migration.path}: {told}" for told in rows.losses(before, self._contents())]
        self.at_nothing = True

    def _renew(self, count: int) -> None:
        self.ground.renew(self.migrations[:count])
        self._filled.clear()

    def _fill(self) -> None:
        self._load_seeds()
        filled = rows.fill(self.ground.here.session("rows"), but=self._is_bookkeeping)
        self._filled |= filled.tables
        self.without |= filled.without
        for table in self.without.keys() - filled.without.keys():
            if self._has_rows(table):
                del self.without[table]

    def _has_rows(self, table: str) -> bool:
        return self._contents().get(table, rows.Content(rows=0, columns={}, whole="")).rows > 0

    def _load_seeds(self) -> None:
        """All seeds at once, as soon as the schema takes them; rows of our own making give way."""
        for manner in ("as it is", "made way") if self.seeds else ():
            session = self.ground.here.session("rows")
            try:
                with session.transaction():
                    if manner == "made way" and self._filled:
                        session.execute(f"truncate {', '.join(sorted(self._filled))} cascade".encode())
                    for seed in self.seeds:
                        session.execute(seed.read_bytes())
            except psycopg.Error as error:
                self.seed_refusal = " ".join(str(error.diag.message_primary or error).split())
            else:
                self.seeds = []
                return

    def _contents(self) -> dict[str, rows.Content]:
        return rows.contents(self.ground.here.session("rows"), but=self._is_bookkeeping)

    def _is_bookkeeping(self, table: str) -> bool:
        return table.rpartition(".")[2].strip('"').lower() in bookkeeping(self.ground.framework)
