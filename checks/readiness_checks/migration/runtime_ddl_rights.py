from readiness import RATIO, Answer, NotApplicable, Observation, check
from readiness.facts.roles import ServiceRole, ServiceRoles
from readiness.facts.target import Services


@check(
    subject="role",
    universe="roles of services",
    priority="P0",
    effort="M",
    credit=RATIO,
    mend="""
    Give the tables an owner that no service connects as (a NOLOGIN role, which the migrations use by SET ROLE), and
    revoke CREATE from the service roles: `alter table ... owner to ...`, `revoke create on schema ... from ...`.
    """,
    links=("https://www.postgresql.org/docs/current/ddl-priv.html",),
)
def runtime_ddl_rights(services: Services, roles: ServiceRoles) -> Answer:
    """No service may create or own tables: the schema changes by migrations alone.

    A role that owns its tables, or may create some, can change the schema at run time: an embedded CREATE TABLE then
    makes a schema that no migration knows. An owner also passes over row level security.
    """
    found = [(name, s.role) for name, s in services.by_name.items() if s.uses_postgres and s.role in roles.by_name]
    if not found:
        return NotApplicable("0 roles of services are in the database")
    by_role: dict[str, list[str]] = {}
    for name, role in found:
        by_role.setdefault(str(role), []).append(name)
    return [_judge(roles.by_name[role], names) for role, names in by_role.items()]


def _judge(role: ServiceRole, services: list[str]) -> Observation:
    rights = []
    if "superuser" in role.powers:
        rights.append("is a superuser")
    if role.owned:
        rights.append(f"owns {role.owned} ({', '.join(role.owns)}{', ...' if role.owned > len(role.owns) else ''})")
    if role.creates_in:
        rights.append(f"may create in {', '.join(role.creates_in)}")
    revokes = [
        f"revoke create on schema {s} from {role.quoted};" for s in role.creates_in if not s.startswith("database ")
    ]
    revokes += [f"revoke create on {s} from {role.quoted};" for s in role.creates_in if s.startswith("database ")]
    only_create = rights == [f"may create in {', '.join(role.creates_in)}"]
    return Observation(
        subject=role.quoted,
        ok=not rights,
        evidence={"services": ", ".join(services), "rights": "; ".join(rights) or "none"},
        remedy="\n".join(revokes) if only_create else None,
    )
