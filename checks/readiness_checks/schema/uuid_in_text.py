from readiness import RATIO, Answer, Observation, check, quote_ident
from readiness.facts.samples import TextSamples


@check(
    subject="column",
    universe="text columns with values enough to tell",
    priority="P2",
    effort="M",
    credit=RATIO,
    needs=["select application tables"],
    mend="""
    Turn the column into uuid. Where keys refer to it, drop these, change both sides, and add them again, in one
    transaction; so with views, checks and generated columns. The change rewrites the table under an exclusive lock.
    """,
    links=("https://www.postgresql.org/docs/current/datatype-uuid.html",),
)
def uuid_in_text(samples: TextSamples) -> Answer:
    """UUIDs are of type uuid, not text.

    As text a UUID takes more than twice the room in the table and in every index, compares slower, and may be written in
    two ways (upper case, without hyphens) that are one value to you and two to the database. 32 hexadecimal digits that
    are something else, such as md5 digests, can't be told from UUIDs and fit the type as well; a column where that is not
    wanted has a waiver.
    """
    return [
        *(
            Observation(
                subject=c.quoted,
                ok=c.uuid < c.values,
                evidence={"uuids": c.uuid, "sample": c.sample},
                remedy=_remedy(c.quoted_table, quote_ident(c.column), has_default=c.has_default)
                if c.uuid == c.values and not c.pinned
                else None,
            )
            for c in samples.columns
        ),
        *samples.unseen,
    ]


def _remedy(table: str, column: str, *, has_default: bool) -> str:
    drop = f"alter column {column} drop default, " if has_default else ""
    gone = "-- Its default goes with the old type: give it one of the new.\n" if has_default else ""
    return (
        f"-- Rewrites the table under an exclusive lock.\n"
        f"{gone}"
        f"alter table {table} {drop}alter column {column} type uuid using {column}::uuid;"
    )
