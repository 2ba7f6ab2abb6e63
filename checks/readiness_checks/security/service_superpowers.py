from readiness import RATIO, Answer, NotApplicable, Observation, check
from readiness.facts.roles import ServiceRoles
from readiness.facts.target import Services

# Memberships that a service may well have; to read all data is much, and no power over the server.
HARMLESS = frozenset({"pg_read_all_data", "pg_signal_backend"})


@check(
    subject="role",
    universe="roles of services",
    priority="P0",
    effort="M",
    credit=RATIO,
    mend="""
    Give each service a role of its own that has no such power, grant it what it uses, and move the service to it. Then
    take the power away: `alter role ... nosuperuser nocreaterole nocreatedb noreplication nobypassrls`.
    """,
    links=("https://www.postgresql.org/docs/current/role-attributes.html",),
)
def service_superpowers(services: Services, roles: ServiceRoles) -> Answer:
    """No service connects as a role with power over the server.

    Whoever takes over a service has its role. As a superuser that is every database, every file that the server can read
    and programs on its host; with BYPASSRLS every tenant's rows; with CREATEROLE any role it likes.
    """
    found: dict[str, list[str]] = {}
    for name, s in services.by_name.items():
        if s.role in roles.by_name:
            found.setdefault(str(s.role), []).append(name)
    if not found:
        return NotApplicable("0 roles of services are in the database")
    answers = []
    for name, users in found.items():
        role = roles.by_name[name]
        powers = [p for p in role.powers if p not in HARMLESS]
        attributes = [p for p in powers if p in ("superuser", "createrole", "createdb", "replication", "bypassrls")]
        answers.append(
            Observation(
                subject=role.quoted,
                ok=not powers,
                evidence={"services": ", ".join(users), "powers": ", ".join(powers) or "none"},
                remedy=_remedy(role.quoted, attributes, [p for p in powers if p not in attributes]),
            )
        )
    return answers


def _remedy(role: str, attributes: list[str], memberships: list[str]) -> str | None:
    lines = [f"revoke {m} from {role};" for m in memberships]
    if attributes:
        lines.insert(0, "-- The service loses these at once; give it the grants that it needs before.")
        lines.insert(1, f"alter role {role} {' '.join('no' + a for a in attributes)};")
    return "\n".join(lines) or None
