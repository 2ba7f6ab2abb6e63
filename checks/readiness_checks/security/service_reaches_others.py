from readiness import RATIO, Answer, NotApplicable, Observation, check, quote_ident
from readiness.authoring import Subject
from readiness.facts.reach import Reaches
from readiness.facts.target import Services
from readiness.model import Scalar


@check(
    subject="service",
    universe="services that use Postgres and own a schema",
    priority="P1",
    effort="M",
    credit=RATIO,
    mend="""
    Revoke what the role may do in the others' schemas, and let the service ask the owner's API; where it really must read, let
    the owner grant it a view.
    """,
)
def service_reaches_others(services: Services, reaches: Reaches) -> Answer:
    """Each service can change rows in its own schema alone.

    Where one service writes into another's tables, neither can change its schema without the other, and whoever takes over
    the one has the other's data. Judged is what the role may do (INSERT, UPDATE, DELETE, TRUNCATE), by itself, by its groups
    and as PUBLIC, in schemas and tables that the profile gives to another service.
    """
    using = {n: s for n, s in services.by_name.items() if s.uses_postgres and s.role and (s.schemas or s.tables)}
    if not using:
        return NotApplicable("0 services use Postgres and own a schema")

    def judge(name: str, role: str) -> Subject:
        reach = reaches.by_role.get(role)
        foreign = [t for t in reach.tables if t.owner not in (None, name)] if reach else []
        evidence: dict[str, Scalar | list[Scalar]] = {
            "role": quote_ident(role),
            "in_the_database": reach is not None,
            "others_tables": len(foreign),
            "tables": [t.quoted for t in foreign[:10]],
        }
        remedy = [f"revoke insert, update, delete, truncate on {t.quoted} from {quote_ident(role)};" for t in foreign]
        direct = reach is not None and not reach.superuser and all(t.granted for t in foreign)
        return Observation(
            subject=name,
            ok=not foreign,
            evidence=evidence,
            remedy="\n".join(remedy[:50]) if foreign and direct else None,
        )

    return [judge(name, str(s.role)) for name, s in using.items()]
