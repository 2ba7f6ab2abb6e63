from readiness import RATIO, Answer, NotApplicable, Observation, check, quote_ident
from readiness.facts.catalog import DeclaredExtensions
from readiness.facts.definitions import DefinedExtension, Definitions
from readiness.model import quote_literal
from readiness.profile import Extension


@check(
    subject="extension",
    universe="declared extensions",
    priority="P1",
    effort="S",
    credit=RATIO,
    mend="""
    Create, move or update the extension by a migration. Its files must be installed on the server before, and most
    extensions take a superuser.
    """,
    links=("https://www.postgresql.org/docs/current/sql-createextension.html",),
)
def extension_differs(declared: DeclaredExtensions, definitions: Definitions) -> Answer:
    """Every declared extension is there, in its schema and version.

    Functions, types and index methods of an extension are part of what the services call. A version that differs from
    the one that was tested, or a schema that search_path doesn't lead to, is found by the request that needs it.
    """
    answers = []
    for name, wanted in declared.by_name.items():
        live = definitions.extensions.get(name)
        differences = _differences(wanted, live)
        answers.append(
            Observation(
                subject=name,
                ok=not differences,
                evidence={
                    "difference": ", ".join(differences) or None,
                    "schema": live.schema if live else None,
                    "version": live.version if live else None,
                },
                remedy=_remedy(quote_ident(name), wanted, live, differences),
            )
        )
    if not answers:
        return NotApplicable("0 extensions are declared")
    return answers


def _differences(wanted: Extension, live: DefinedExtension | None) -> list[str]:
    if live is None:
        return ["missing"]
    pairs = {"schema": (wanted.schema_, live.schema), "version": (wanted.version, live.version)}
    return [what for what, (declared, found) in pairs.items() if declared is not None and declared != found]


def _remedy(name: str, wanted: Extension, live: DefinedExtension | None, differences: list[str]) -> str | None:
    if live is None:
        schema = f" schema {quote_ident(wanted.schema_)}" if wanted.schema_ else ""
        version = f" version {quote_literal(wanted.version)}" if wanted.version else ""
        return f"create extension {name}{schema}{version};"
    statements = []
    if "schema" in differences and wanted.schema_:
        statements.append(f"alter extension {name} set schema {quote_ident(wanted.schema_)};")
    if "version" in differences and wanted.version:
        statements.append(f"alter extension {name} update to {quote_literal(wanted.version)};")
    return "\n".join(statements) or None
