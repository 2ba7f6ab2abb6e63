"""`readiness compare`: two snapshots of content, or two schemas: live databases, folders of migrations."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from readiness import audit, profile
from readiness.authoring import Unobservable
from readiness.cli import runs, support
from readiness.cli.drill.outcome import NoEvidenceOption, ValidDaysOption
from readiness.cli.runs import EvidenceOption
from readiness.cli.support import PolicyOption, ProfileOption, QuietOption
from readiness.drift import Difference, differences
from readiness.drift.ddl import closing
from readiness.drills import DrillError, evidence, replay, snapshot
from readiness.embedded import EmbeddedError
from readiness.facts.fingerprint import SchemaFingerprint, differing_groups
from readiness.facts.postgres import Postgres
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command()
def compare(
    one: Annotated[str, typer.Argument(metavar="A", help="A snapshot, a DSN, or a folder of migrations.")],
    other: Annotated[str, typer.Argument(metavar="B", help="What it is compared with, of the same kind.")],
    ddl: Annotated[
        str | None,
        typer.Option("--ddl", metavar="FILE|-", help="Schemas: write the statements that make A like B."),
    ] = None,
    store: EvidenceOption = "",
    no_evidence: NoEvidenceOption = False,
    valid_days: ValidDaysOption = 90,
    profile_name: ProfileOption = None,
    policy: PolicyOption = "beta",
    quiet: QuietOption = False,
) -> int:
    """Compare two snapshots of content, or two schemas. Exit 1: they differ.

    Of snapshots the outcome is kept as the proof that no data was lost. Of schemas every object that differs is named; a
    folder of migrations is replayed on an embedded PostgreSQL.
    """
    kinds = {_kind(one), _kind(other)}
    try:
        if kinds == {"snapshot"}:
            return _contents(Path(one), Path(other), profile_name, store, valid_days, keep=not no_evidence)
        for place in (one, other):
            if _kind(place) == "snapshot" and not Path(place).exists():
                raise ConfigError(f"{place}: there is no such file or folder")
        if "snapshot" in kinds:
            raise ConfigError("a snapshot is compared with a snapshot; take one with `readiness snapshot`")
        ignored = support.load_policy(policy).policy.ignored_schemas
        return _schemas(one, other, ignored, ddl, quiet=quiet)
    except DrillError as error:
        raise ConfigError(support.redactor.text(str(error))) from None
    except EmbeddedError as error:
        support.say(f"readiness: the migrations could not be replayed: {error}")
        return support.CRASHED


def _kind(place: str) -> str:
    if Path(place).is_dir():
        return "folder"
    return "database" if "=" in place or "://" in place else "snapshot"


# -- content ---------------------------------------------------------------------------------------------------


def _contents(before: Path, after: Path, profile_name: str | None, store: str, valid_days: float, *, keep: bool) -> int:
    found = snapshot.compare(before, after)
    source = support.load_profile(profile_name)
    for difference in found.differences:
        print(f"  {difference}")
    for note in found.notes:
        print(f"  note: {note}")
    told = f"{found.same:,} tables hold the same {found.rows:,} rows; {len(found.differences):,} differ"
    kept = ""
    if keep:
        kept = f"; kept as {_keep(found, before, after, source, store, valid_days)}"
    print(f"{'PASSED' if found.passed else 'FAILED'}: {told}{kept}")
    return 0 if found.passed else 1


def _keep(
    found: snapshot.Comparison,
    before: Path,
    after: Path,
    source: profile.Source,
    store: str,
    valid_days: float,
) -> str:
    place = runs.place(source, store)
    runs.learn(place)
    record = evidence.keep(
        place,
        kind="snapshot",
        target=found.database if source.profile.unnamed else source.profile.name,
        system_identifier=found.system_identifier,
        taken_at=dt.datetime.now(dt.UTC),
        passed=found.passed,
        valid_days=valid_days,
        evidence={
            "tables": found.same,
            "rows": found.rows,
            "differences": [str(d) for d in found.differences],
            "before": f"{before.name} sha256 {evidence.sha256(before)}",
            "after": f"{after.name} sha256 {evidence.sha256(after)}",
            "notes": list(found.notes),
        },
    )
    return record.id


# -- schema ----------------------------------------------------------------------------------------------------


def _schemas(one: str, other: str, ignored: tuple[str, ...], ddl: str | None, *, quiet: bool) -> int:
    with _opened(one, quiet=quiet) as first, _opened(other, quiet=quiet) as second:
        try:
            majors = {p.server_version // 10000 for p in (first, second)}
            if len(majors) > 1:
                raise ConfigError(
                    f"PostgreSQL {' and '.join(map(str, sorted(majors)))}: schemas are compared within one major version; "
                    "READINESS_PG_BINDIR names the programs that replay a folder"
                )
            groups = differing_groups(first, second, ignored_schemas=ignored)
            # all columns of a table are told from each other by their places, so they are read together
            before, after = (
                SchemaFingerprint.of(p, ignored_schemas=ignored, groups=_whole(groups)) for p in (first, second)
            )
        except Unobservable as refusal:
            raise ConfigError(refusal.detail) from None
    bookkeeping = replay.bookkeeping(None)
    found = [d for d in differences(before, after) if not _of(d, bookkeeping)]
    for difference in found:
        print(support.redactor.text(str(difference)))
    if ddl is not None and found:
        script = "\n".join(closing(before, after)) + "\n"
        if ddl == support.STDOUT:
            print(f"\n{script}", end="")
        else:
            Path(ddl).write_text(script, encoding="utf-8")
    print(f"{len(found):,} differences between A and B" if found else "A and B have the same schema")
    return 1 if found else 0


def _whole(groups: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted({*groups, *((kind, space) for _, space in groups for kind in ("table", "view", "type", "column"))})


def _of(difference: Difference, tables: frozenset[str]) -> bool:
    names = {difference.object.name, difference.object.parent or ""}
    return any(name.rpartition(".")[2].strip('"').lower() in tables for name in names)


@contextmanager
def _opened(place: str, *, quiet: bool) -> Iterator[Postgres]:
    if _kind(place) == "database":
        audit.learn_secrets(support.redactor, place, os.environ)
        try:
            postgres = Postgres(place)
        except ValueError as error:
            raise ConfigError(f"{error}") from None
        try:
            yield postgres
        finally:
            postgres.close()
        return
    told = support.say if not quiet and sys.stderr is not None and sys.stderr.isatty() else (lambda _step: None)
    with replay.replayed(Path(place), told=told) as database:
        postgres = Postgres(database.dsn)
        try:
            yield postgres
        finally:
            postgres.close()
