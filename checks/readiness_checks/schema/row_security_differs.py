from readiness import RATIO, Answer, NotApplicable, Observation, check
from readiness.facts.catalog import CanonicalSchema
from readiness.facts.definitions import Definitions, RowSecurity


@check(
    subject="table",
    universe="tables whose row level security is declared",
    priority="P2",
    effort="S",
    credit=RATIO,
    mend="""
    Create the policies first: enabled without one, nobody but the owner sees a row. Then enable it, and force it where
    the service owns its tables.
    """,
    links=("https://www.postgresql.org/docs/current/ddl-rowsecurity.html",),
)
def row_security_differs(canonical: CanonicalSchema, definitions: Definitions) -> Answer:
    """Row level security is off, on or forced as declared, table by table.

    Policies hold nobody while row level security is off, and not the owner while it isn't forced. Switched off for one
    load and forgotten, it shows nowhere: every query still answers, with everybody's rows.
    """
    canonical.require("row_security")
    answers = []
    for table in canonical.beside(definitions):
        if table.says("row_security"):
            wanted = table.declared.row_security or "off"
            answers.append(
                Observation(
                    subject=table.live.quoted,
                    ok=wanted == table.live.row_security,
                    evidence={"declared": wanted, "live": table.live.row_security},
                    remedy=_remedy(table.live.quoted, wanted, table.live.row_security),
                )
            )
    return answers or NotApplicable("0 tables whose row level security is declared are there")


def _remedy(table: str, wanted: RowSecurity, found: RowSecurity) -> str:
    statements = []
    if (wanted == "off") != (found == "off"):
        statements.append(f"alter table {table} {'disable' if wanted == 'off' else 'enable'} row level security;")
    if wanted != "off":
        statements.append(f"alter table {table} {'force' if wanted == 'forced' else 'no force'} row level security;")
    return "\n".join(statements)
