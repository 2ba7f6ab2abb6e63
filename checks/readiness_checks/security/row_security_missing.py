from readiness import RATIO, Answer, Observation, check
from readiness.facts.catalog import LiveTable, Tables, TenantTables, shown


@check(
    subject="table",
    universe="declared tenant tables",
    priority="P1",
    effort="M",
    credit=RATIO,
    mend="""
    Write a policy for each command that the services use, on the tenant's column and its setting; then `alter table ...
    enable row level security` and `force row level security`, so that the owner is bound too. Without a policy, enabling
    it hides every row from everybody but the owner.
    """,
    links=("https://www.postgresql.org/docs/current/ddl-rowsecurity.html",),
)
def row_security_missing(tenants: TenantTables, tables: Tables) -> Answer:
    """Row level security is enabled, forced and has policies on every declared tenant table.

    A forgotten `where tenant = ...` in one query shows one tenant another's rows. With row level security the database
    itself adds it, for every query of every role that is not exempt; forced, for the table's owner too.
    """
    return [_judge(shown(schema, name), tables.by_name.get((schema, name))) for schema, name in tenants.names]


def _judge(subject: str, table: LiveTable | None) -> Observation:
    if table is None:
        return Observation(subject=subject, ok=False, evidence={"lacks": "the table itself"})
    lacks = []
    if not table.row_security:
        lacks.append("row level security is not enabled")
    if not table.forced:
        lacks.append("not forced: the owner passes over it")
    if not table.policies:
        lacks.append("no policy")
    elif "*" not in table.policies and (rest := {"r", "a", "w", "d"} - table.policies):
        words = {"r": "select", "a": "insert", "w": "update", "d": "delete"}
        lacks.append(f"no policy for {', '.join(words[c] for c in sorted(rest))}")
    only_switches = lacks and table.policies and not lacks[-1].startswith("no policy")
    remedy = (
        f"-- From here on its policies decide who sees which row.\n"
        f"alter table {table.quoted} enable row level security;\nalter table {table.quoted} force row level security;"
    )
    return Observation(
        subject=subject,
        ok=not lacks,
        evidence={"lacks": "; ".join(lacks)} if lacks else {"policies": len(table.policies)},
        remedy=remedy if only_switches else None,
    )
