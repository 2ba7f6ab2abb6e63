from readiness import RATIO, Answer, Observation, check, quote_ident, quote_literal
from readiness.facts.samples import TextColumn, TextSamples


@check(
    subject="column",
    universe="text columns with values enough to tell",
    priority="P1",
    effort="M",
    credit=RATIO,
    needs=["select application tables"],
    mend="""
    Turn the column into an array (or the list into a table of its own, where its members are things that other tables
    know). What holds on to its type (views, checks, generated columns) is dropped before and made again after, in one
    transaction. The change of type rewrites the table under an exclusive lock: on a large table add an array column, fill it
    in batches, and swap.
    """,
    links=("https://www.postgresql.org/docs/current/arrays.html",),
)
def list_in_text(samples: TextSamples, *, share: float = 0.9) -> Answer:
    """Lists are arrays, not separated values in text.

    `admin,editor` in a text column can't be checked, indexed or joined: every query splits it anew, and `like '%admin%'`
    finds `administrator` too. Told by sampled values: short tokens between separators, a varying number of them.
    """
    return [
        *(
            Observation(
                subject=c.quoted,
                ok=not is_list(c, share),
                evidence={"lists": c.listed, "sample": c.sample, "shape": f"a{c.delimiter}b{c.delimiter}c"}
                if is_list(c, share)
                else {"sample": c.sample},
                remedy=_remedy(c) if is_list(c, share) and not c.pinned else None,
            )
            for c in samples.columns
        ),
        *samples.unseen,
    ]


def is_list(c: TextColumn, share: float) -> bool:
    """Nearly all values are tokens, a tenth of them (two at least) are several, and not always just two."""
    return c.tokens >= share * c.values and c.listed >= max(2, c.values / 10) and c.varied


def _remedy(c: TextColumn) -> str:
    table, column = c.quoted_table, quote_ident(c.column)
    drop = f"alter column {column} drop default, " if c.has_default else ""
    pattern = quote_literal(rf"\s*{'[|]' if c.delimiter == '|' else c.delimiter}\s*")
    gone = "-- Its default goes with the old type: give it one of the new.\n" if c.has_default else ""
    return (
        f"-- Rewrites the table under an exclusive lock.\n"
        f"{gone}"
        f"alter table {table} {drop}alter column {column} type text[] using regexp_split_to_array({column}, {pattern});"
    )
