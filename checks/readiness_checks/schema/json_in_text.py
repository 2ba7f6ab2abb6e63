from readiness import RATIO, Answer, Observation, check, quote_ident
from readiness.facts.samples import TextSamples


@check(
    subject="column",
    universe="text columns with values enough to tell",
    priority="P1",
    effort="M",
    credit=RATIO,
    needs=["select application tables"],
    mend="""
    Turn the column into jsonb. What holds on to its type (views, checks, generated columns) is dropped before and made
    again after, in one transaction. Where some values are no JSON, mend those first: the change of type fails on them. It
    rewrites the table under an exclusive lock: on a large table add a jsonb column, fill it in batches, and swap.
    """,
    links=("https://www.postgresql.org/docs/current/datatype-json.html",),
)
def json_in_text(samples: TextSamples, *, share: float = 0.9) -> Answer:
    """Structured data is jsonb, not JSON in text.

    JSON kept as text is not checked when it is written, can't be indexed by what is in it, and is parsed anew by every
    query that looks inside. Told by sampled values, since a name proves nothing; what is shown of them is their shape.
    """
    return [
        *(
            Observation(
                subject=c.quoted,
                ok=c.json < share * c.values,
                evidence={"json": c.json, "sample": c.sample, **({"shape": '{"...": ...}'} if c.json else {})},
                remedy=_remedy(c.quoted_table, quote_ident(c.column), has_default=c.has_default)
                if c.json == c.values and not c.pinned
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
        f"-- Rewrites the table under an exclusive lock; fails, and changes nothing, where a value is no JSON.\n"
        f"{gone}"
        f"alter table {table} {drop}alter column {column} type jsonb using {column}::jsonb;"
    )
