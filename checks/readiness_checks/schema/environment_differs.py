from readiness import RATIO, Answer, NotApplicable, Observation, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.environments import Environments

_SHOWN = 10


@check(
    subject="database",
    universe="declared environments",
    priority="P2",
    effort="M",
    credit=RATIO,
    mend="""
    `readiness compare HERE THERE --ddl -` writes the statements that make one like the other. Put them into a migration, and let
    migrations alone change the schema, in each environment the same ones.
    """,
)
def environment_differs(environments: Environments) -> Answer:
    """Every environment has the same schema.

    A migration that was tried on another schema was not tried. What somebody mended by hand in one place (an index at night, a
    wider column) is missing in the next, and comes back with the next restore. Names, types, defaults, constraints, indexes,
    policies, views and functions are compared; owners and grants are not, since each environment has roles of its own.
    """
    if not environments.by_name:
        return NotApplicable("0 other environments are declared")
    return [_judge(name, found) for name, found in environments.by_name.items()]


def _judge(name: str, found: tuple[str, ...] | Unobservable) -> Subject:
    if isinstance(found, Unobservable):
        return Unseen(subject=name, reason=found.reason, detail=found.detail, unlock=found.unlock)
    return Observation(subject=name, ok=not found, evidence={"differences": len(found), "examples": [*found[:_SHOWN]]})
