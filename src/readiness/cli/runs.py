"""Saved runs on the command line: by their file, by their id in the evidence store, or the last one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from readiness import audit, document, history, profile, teamstore
from readiness.cli import support
from readiness.document import RunDocument
from readiness.history import RunRecord, Store, StoreError
from readiness.teamstore import Place, TeamStore
from readiness.yamldoc import ConfigError

LAST = "last"
RUN_HELP = "A run document (score --format json), a run's id in the evidence store, or `last`."

EvidenceOption = Annotated[
    str,
    typer.Option(
        "--evidence",
        metavar="FILE|DSN",
        help="The evidence store: a file, or a team's Postgres. Default: .readiness/evidence.db by the profile.",
    ),
]


def place(source: profile.Source, evidence: str) -> Place:
    """Where the evidence store is."""
    given = evidence or os.environ.get("READINESS_EVIDENCE", "")
    if given:
        return teamstore.place_of(given)
    return history.default_path(source.folder, os.environ, has_profile=source.path is not None)


def learn(where: Place) -> None:
    """See that no password of a team's store is ever shown."""
    if isinstance(where, str):
        audit.learn_secrets(support.redactor, where, os.environ)


@contextmanager
def opened(where: Place) -> Iterator[Store | TeamStore]:
    """The store, which must be there.

    Raises:
        ConfigError: it isn't, or can't be read.
    """
    learn(where)
    if not teamstore.exists(where):
        raise ConfigError(
            f"{where}: there is no evidence store; `readiness score` keeps one (--evidence names another)"
        )
    try:
        store = teamstore.open_place(where, now=datetime.now(UTC))
        try:
            yield store
        finally:
            store.close()
    except StoreError as error:
        raise ConfigError(str(error)) from error


def is_file(word: str) -> bool:
    """Whether a run's document itself is named, for which no evidence store is needed."""
    return word != LAST and (os.sep in word or word.endswith(".json") or Path(word).exists())


def text_of(word: str, source: profile.Source, evidence: str) -> str:
    """A run's document as text, as it was kept.

    Raises:
        ConfigError: there is no such run.
    """
    if is_file(word):
        try:
            return Path(word).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{word}: can't be read: {getattr(error, 'strerror', None) or error}") from error
    where = place(source, evidence)
    with opened(where) as store:
        return json.dumps(_named(store, word, source, where).document)


def load(word: str, source: profile.Source, evidence: str) -> RunDocument:
    """A run's document.

    Raises:
        ConfigError: there is no such run, or the file holds none.
    """
    return parse(text_of(word, source, evidence), word)


def parse(text: str, shown: str) -> RunDocument:
    """A document's text.

    Raises:
        ConfigError: it is none.
    """
    try:
        return document.parse(text)
    except ValueError as error:
        raise ConfigError(f"{shown}: is no run document of this tool (readiness.run/1)") from error


def last(source: profile.Source, evidence: str) -> str | None:
    """The newest kept run's document; None where none is kept yet.

    Raises:
        ConfigError: the store can't be read, or it can't be told whose run is meant.
    """
    where = place(source, evidence)
    if not teamstore.exists(where):
        return None
    with opened(where) as store:
        found = store.runs(target_in(store, source, where), limit=1) if store.targets() else []
    return json.dumps(found[0].document) if found else None


def target_in(store: Store | TeamStore, source: profile.Source, where: Place) -> str:
    """Whose runs are meant: the profile's, or without one the only one's that the store knows.

    Raises:
        ConfigError: it can't be told.
    """
    if not source.profile.unnamed:
        return source.profile.name
    targets = store.targets()
    if len(targets) != 1:
        raise ConfigError(
            f"{teamstore.shown(where)}: runs of {len(targets)} targets are kept; name one by its profile (--profile)"
        )
    return targets[0]


def _named(store: Store | TeamStore, word: str, source: profile.Source, where: Place) -> RunRecord:
    if word == LAST:
        target = target_in(store, source, where)
        found = store.runs(target, limit=1)
        if not found:
            raise ConfigError(f"{teamstore.shown(where)}: no run of {target} is kept")
        return found[0]
    found = store.find(word)
    if len(found) != 1:
        said = "several runs' ids begin so" if found else "neither a file nor a run's id"
        raise ConfigError(f"{word}: {said}; `readiness history` lists them")
    return found[0]
