from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unobservable, check
from readiness.facts.catalog import CanonicalSchema, shown
from readiness.facts.definitions import Definitions
from readiness.model import quote_literal


@check(
    subject="type",
    universe="declared enum types",
    priority="P1",
    effort="S",
    credit=RATIO,
    mend="""
    `alter type ... add value` adds a label without touching a row. A label can't be dropped, nor moved: create the type
    anew under another name, change the columns over (this rewrites their tables), drop the old one and rename.
    """,
    links=("https://www.postgresql.org/docs/current/sql-altertype.html",),
)
def enum_differs(canonical: CanonicalSchema, definitions: Definitions) -> Answer:
    """Every declared enum type is there, with its labels in their order.

    A label that the code sends and the type doesn't know is an error on the first write; one that the type knows and
    the code doesn't is an error on the first read. Comparisons and sorting go by the labels' order.
    """
    speaks = any(schema.complete or "enums" in schema.model_fields_set for schema in canonical.schemas.values())
    if canonical.schemas and not speaks:
        raise Unobservable(
            Reason.NOT_CONFIGURED,
            "no schema of the profile says its enums",
            "declare `enums:` of the schemas in the profile (`readiness init` writes what is there)",
        )
    answers = []
    for schema_name, schema in canonical.schemas.items():
        live = definitions.schemas.get(schema_name)
        for name, labels in schema.enums.items():
            found = live.enums.get(name) if live else None
            subject = shown(schema_name, name)
            difference = "missing" if found is None else "labels" if found != labels else None
            answers.append(
                Observation(
                    subject=subject,
                    ok=difference is None,
                    evidence={
                        "difference": difference,
                        "missing": [label for label in labels if label not in (found or ())],
                        "undeclared": [label for label in found or () if label not in labels],
                    }
                    if difference
                    else {"labels": len(labels)},
                    remedy=_remedy(subject, labels, found),
                )
            )
    if not answers:
        return NotApplicable("0 enum types are declared")
    return answers


def _remedy(subject: str, labels: tuple[str, ...], found: tuple[str, ...] | None) -> str | None:
    if found is None:
        return f"create type {subject} as enum ({', '.join(map(quote_literal, labels))});"
    if tuple(label for label in labels if label in found) != found:
        return None  # labels to drop or to move: no statement can
    added = []
    for at, label in enumerate(labels):
        if label not in found:
            # Those before it are there by now; the first one goes before what is the first until then.
            place = (
                f"after {quote_literal(labels[at - 1])}" if at else f"before {quote_literal(found[0])}" if found else ""
            )
            added.append(f"alter type {subject} add value {quote_literal(label)} {place}".rstrip() + ";")
    return "\n".join(added) or None
