"""Alembic: `versions/<revision>_add_users.py`, a graph by `down_revision`; its history is the heads alone.

https://alembic.sqlalchemy.org/en/latest/tutorial.html. Read as Python, never run.
"""

from collections.abc import Sequence

from readiness.facts.frameworks import python
from readiness.facts.frameworks.form import Folder, Framework, MigrationFile, Record, State


def read(folder: Folder) -> list[MigrationFile]:
    found = {}
    for match in folder.matching(r"(?:.*/)?[^/]+\.py"):
        module = python.parse(folder.text(match[0]))
        values = python.assigned(module)
        if module is None or "revision" not in values or "down_revision" not in values:
            continue
        name = values["revision"]
        if not isinstance(name, str):
            continue
        after = (*python.names(values["down_revision"]), *python.names(values.get("depends_on")))
        back = python.function(module, "downgrade")
        found[name] = MigrationFile(path=match[0], name=name, reversible=python.does_something(back), after=after)
    return _in_order(found)


def _in_order(found: dict[str, MigrationFile]) -> list[MigrationFile]:
    """Each behind what it builds on; by path where nothing else decides."""
    order: list[MigrationFile] = []
    waiting = sorted(found.values(), key=lambda f: f.path)
    placed: set[str] = set()
    while waiting:
        ready = [f for f in waiting if all(a in placed or a not in found for a in f.after or ())]
        ready = ready or waiting  # a circle, which Alembic refuses
        order += ready
        placed |= {f.name for f in ready}
        waiting = [f for f in waiting if f.name not in placed]
    return order


def applied(files: Sequence[MigrationFile], records: Sequence[Record]) -> frozenset[str]:
    """The heads, and all that they build on."""
    by_name = {f.name: f for f in files}
    seen: set[str] = set()
    waiting = [r.name for r in records if r.state is State.APPLIED]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += by_name[name].after or () if name in by_name else ()
    return frozenset(seen)


FRAMEWORK = Framework(
    name="alembic",
    table="alembic_version",
    columns=frozenset({"version_num"}),
    query="select version_num as name, 'applied' as state from {} order by 1",
    read=read,
    applied=applied,
)
