from readiness import BINARY, Answer, Observation, check
from readiness.facts.documents import Seeds


@check(
    subject="file",
    universe="folders of seed data",
    priority="P2",
    effort="S",
    credit=BINARY,
    mend="""
    Put the rows that a new environment starts with into a folder of their own, as statements that can run again
    (`insert ... on conflict do nothing`), and name it in the profile (`migrations: {seeds: ...}`).
    """,
)
def no_seeds_folder(seeds: Seeds) -> Answer:
    """Seed data has a folder of its own.

    What a new environment needs to be tried is not its schema, and changes at another pace: kept among the migrations, it
    runs once, in production too, and can never be run again.
    """
    return Observation(
        subject=seeds.path,
        ok=bool(seeds.files),
        evidence={"files": seeds.files, "state": "there is no such folder" if seeds.files is None else None},
    )
