from readiness import RATIO, Answer, Observation, check, quote_ident
from readiness.facts.catalog import CanonicalSchema
from readiness.facts.definitions import Definitions


@check(
    subject="schema",
    universe="declared schemas",
    priority="P1",
    effort="S",
    credit=RATIO,
    mend="Create the schema by a migration, owned by the role that migrates, and grant its service usage.",
)
def missing_schema(canonical: CanonicalSchema, definitions: Definitions) -> Answer:
    """Every declared schema is there.

    Each service has a schema of its own, so that its tables can't be taken for another's and its role can be kept to
    it. Where the schema is missing, its tables are missing too, or lie in public for everybody.
    """
    return [
        Observation(
            subject=quote_ident(name),
            ok=name in definitions.schemas,
            remedy=f"create schema {quote_ident(name)}{_authorization(schema.owner, definitions)};",
        )
        for name, schema in canonical.schemas.items()
    ]


def _authorization(owner: str | None, definitions: Definitions) -> str:
    return f" authorization {quote_ident(owner)}" if owner in definitions.roles and owner else ""
