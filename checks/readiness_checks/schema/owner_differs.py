from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unobservable, check, quote_ident
from readiness.facts.catalog import CanonicalSchema
from readiness.facts.definitions import Definitions


@check(
    subject="table",
    universe="schemas and tables whose owner is declared",
    priority="P2",
    effort="S",
    credit=RATIO,
    mend="""
    `alter ... owner to` takes a short exclusive lock, and a role that is a member of both. Create the role before where
    it is missing. Tables that services create at their start come back under their own role: take CREATE from it.
    """,
)
def owner_differs(canonical: CanonicalSchema, definitions: Definitions) -> Answer:
    """Schemas and tables belong to the roles that are declared.

    An owner may drop, alter and grant, and isn't held by row level security that is not forced. Objects that belong to
    whoever happened to run the migration are the usual way for a service to get these rights.
    """
    answers = []
    for name, schema in canonical.schemas.items():
        if schema.owner and (live := definitions.schemas.get(name)):
            answers.append(_judge(quote_ident(name), "schema", schema.owner, live.owner, definitions))
    for table in canonical.beside(definitions):
        if owner := table.declared.owner:
            answers.append(_judge(table.live.quoted, "table", owner, table.live.owner, definitions))
    if answers:
        return answers
    if canonical.schemas and not any(
        s.owner or any(t and t.owner for t in s.tables.values()) for s in canonical.schemas.values()
    ):
        raise Unobservable(
            Reason.NOT_CONFIGURED,
            "the profile doesn't say who owns the schemas and tables",
            "declare `owner:` of the schemas and tables in the profile (`readiness init` writes what is there)",
        )
    return NotApplicable("0 schemas and tables with a declared owner are there")


def _judge(subject: str, kind: str, wanted: str, found: str, definitions: Definitions) -> Observation:
    exists = wanted in definitions.roles
    return Observation(
        subject=subject,
        kind=kind,
        ok=wanted == found,
        evidence={"declared": wanted, "live": found} | ({} if exists else {"declared_role": "missing"}),
        remedy=f"alter {kind} {subject} owner to {quote_ident(wanted)};" if exists else None,
    )
