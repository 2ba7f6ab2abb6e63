from readiness import RATIO, Answer, NotApplicable, Observation, Unseen, check
from readiness.facts.bookkeeping import History, MigrationHistories
from readiness.facts.frameworks import BY_NAME
from readiness.facts.frameworks.form import State


@check(
    subject="migration",
    universe="recorded migrations with an order",
    priority="P2",
    effort="M",
    credit=RATIO,
    needs=["select migration history"],
    mend="""
    Build a database from the folder and compare its schema with this one (`readiness compare`). Where they are the same,
    accept it (`readiness waive`); from now on give a migration its number when it is merged, not when it is begun.
    """,
)
def out_of_order_migration(histories: MigrationHistories) -> Answer:
    """Migrations were applied in their order.

    Two branches, merged the other way round than they were numbered, leave a database whose migrations ran in an order
    that no other database will ever see. What they build may differ, and so may what undoing the newest takes away.
    """
    answers: list[Observation | Unseen] = []
    for h in histories.found:
        if BY_NAME[h.framework].order is None:
            continue
        if h.unseen is not None:
            unseen = h.unseen
            answers.append(Unseen(subject=h.table, reason=unseen.reason, detail=unseen.detail, unlock=unseen.unlock))
            continue
        answers += _in_order(h)
    return answers or NotApplicable("0 recorded migrations whose framework keeps an order")


def _in_order(history: History) -> list[Observation]:
    order = BY_NAME[history.framework].order or str
    found, newest = [], ""
    for record in history.records:
        if record.state is not State.APPLIED:
            continue
        late = bool(newest) and order(record.name) < order(newest)
        evidence = {"history": history.table, "applied_after": newest if late else None}
        found.append(Observation(subject=record.name, ok=not late, evidence=evidence))
        newest = newest if late else record.name
    return found
