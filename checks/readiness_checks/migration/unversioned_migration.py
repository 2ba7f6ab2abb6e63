from readiness import RATIO, Answer, Observation, check
from readiness.facts.migrations import MigrationFolder, MigrationsInGit


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
    answers = []
    for f in folder.files:
        name = f.path.rpartition("/")[2]
        state = git.dirty.get(name) or (None if f.path in git.tracked else "untracked")
        answers.append(Observation(subject=f.path, ok=state is None, evidence={"state": state} if state else {}))
    return answers
