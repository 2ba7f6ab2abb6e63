from readiness import RATIO, Answer, Observation, check
from readiness.facts.git import MigrationsInGit
from readiness.facts.migrations import MigrationFolder


@check(
    subject="migration",
    universe="migrations in the folder",
    priority="P0",
    effort="S",
    credit=RATIO,
    mend="Commit the migrations folder: `git add` and `git commit`, and let changes to it pass a review.",
)
def unversioned_migration(folder: MigrationFolder, git: MigrationsInGit) -> Answer:
    """Every migration is under version control, as it was committed.

    The folder is what every environment is built from. A file that only one machine has, or that differs from what was
    committed, gives another schema there than anywhere else. An empty folder has nothing to build from.
    """
    if not folder.files:
        return Observation(subject=folder.directory, ok=False, evidence={"migrations": 0})
    return [
        Observation(subject=path, ok=state is None, evidence={"state": state} if state else {})
        for path, state in ((path, _state(path, git)) for path in _paths(folder))
    ]


def _paths(folder: MigrationFolder) -> list[str]:
    """Every file of a migration, the way back's too, each once."""
    found = dict.fromkeys(f.path for f in folder.files)
    found |= dict.fromkeys(f.down.path for f in folder.files if f.down)
    return list(found)


def _state(path: str, git: MigrationsInGit) -> str | None:
    if path not in git.committed:
        return "untracked, or added and not committed"
    now = git.present[path]
    return "deleted" if now is None else None if now == git.committed[path] else "modified"
