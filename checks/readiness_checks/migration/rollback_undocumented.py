import re
from datetime import UTC, datetime

from readiness import RATIO, Answer, NotApplicable, Observation, check
from readiness.facts.documents import RollbackDocument
from readiness.facts.migrations import MigrationFolder


@check(
    subject="migration",
    universe="migrations, and the document",
    priority="P1",
    effort="S",
    credit=RATIO,
    mend="""
    Write for each migration, under its name, how it is undone, what that takes away, and what it does to the rows; do so in
    the change that brings the migration.
    """,
)
def rollback_undocumented(document: RollbackDocument, folder: MigrationFolder) -> Answer:
    """The rollback procedure is written down, names each migration, and is as new as the newest of them.

    The down section says what runs. It doesn't say what must stop first, which rows are lost, or whom to tell, and at the
    hour when it is needed its author is asleep.
    """
    if not folder.files:
        return NotApplicable(f"0 migrations in {folder.directory}")
    if document.text is None:
        return Observation(subject=document.path, ok=False, kind="file", evidence={"state": "there is no such file"})
    answers = []
    if document.newest is not None and document.changed_at is not None:
        name, at = document.newest
        answers.append(
            Observation(
                subject=document.path,
                ok=document.changed_at >= at,
                kind="file",
                evidence={"changed_at": _time(document.changed_at), "newest_migration": name, "added_at": _time(at)},
            )
        )
    for name, paths in _names(folder).items():
        told = any(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", document.text) for word in paths)
        answers.append(Observation(subject=name, ok=told, evidence={} if told else {"document": document.path}))
    return answers


def _names(folder: MigrationFolder) -> dict[str, set[str]]:
    """Each migration, and what a document may call it: its name, its file, the file without its ending, its folder."""
    found: dict[str, set[str]] = {}
    for f in folder.files:
        file = f.path.rpartition("/")[2]
        stem = file.rpartition(".")[0].removesuffix(".up")
        words = {f.name, f.path, file, stem}
        if file == "migration.sql":
            words -= {file, stem}
        found[f.name] = {w for w in words if w}
    return found


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
