"""The documentation of a schema, from its fingerprint: what a reader looks up, in an order that doesn't move.

Nothing in it tells when or where it was made, so that a checked-in copy is stale only when the schema has moved.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from readiness.facts.fingerprint import SchemaFingerprint, SchemaObject

_REFERENCES = re.compile(
    r"FOREIGN KEY \((?P<own>.+?)\) REFERENCES (?P<table>(?:\"(?:[^\"]|\"\")*\"|[^\s(])+)\((?P<keys>.+?)\)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """Args:
    columns: of the table that refers, as they are written.
    optional: whether a row may refer to none.
    single: whether at most one row refers to each.
    """

    name: str
    table: str
    columns: tuple[str, ...]
    referenced: str
    optional: bool
    single: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDoc:
    """One table, with all that goes with it. Partitions are counted with their parent."""

    schema: str
    name: str
    table: SchemaObject
    columns: Sequence[SchemaObject] = ()
    constraints: Sequence[SchemaObject] = ()
    indexes: Sequence[SchemaObject] = ()
    policies: Sequence[SchemaObject] = ()
    triggers: Sequence[SchemaObject] = ()
    partitions: int = 0
    primary_key: frozenset[str] = frozenset()
    foreign_keys: Sequence[ForeignKey] = ()

    @property
    def referring(self) -> frozenset[str]:
        return frozenset(c for key in self.foreign_keys for c in key.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaDoc:
    name: str
    comment: str
    tables: Sequence[TableDoc] = ()
    views: Sequence[SchemaObject] = ()
    types: Sequence[SchemaObject] = ()
    functions: Sequence[SchemaObject] = ()
    sequences: Sequence[SchemaObject] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Doc:
    title: str
    schemas: Sequence[SchemaDoc]
    extensions: Sequence[SchemaObject] = field(default_factory=tuple)

    @property
    def tables(self) -> list[TableDoc]:
        return [t for s in self.schemas for t in s.tables]


def own_name(o: SchemaObject) -> str:
    """An object's name without its parent's, as it is written."""
    return o.name[len(o.parent) + 1 :] if o.parent and o.name.startswith(o.parent) else o.name


def describe(found: SchemaFingerprint, *, title: str, schemas: Sequence[str] = ()) -> Doc:
    """What is to be told of a schema.

    Args:
        schemas: only these, as they are written; all of them by default.
    """
    by_kind: dict[str, list[SchemaObject]] = {}
    for o in found.objects:
        by_kind.setdefault(o.kind, []).append(o)
    below: dict[tuple[str, str], list[SchemaObject]] = {}
    for o in found.objects:
        if o.parent is not None:
            below.setdefault((o.kind, o.parent), []).append(o)
    told = []
    for space in by_kind.get("schema", []):
        if schemas and space.name not in schemas:
            continue

        def within(kind: str, prefix: str = f"{space.name}.") -> list[SchemaObject]:
            return [o for o in by_kind.get(kind, []) if o.name.startswith(prefix)]

        told.append(
            SchemaDoc(
                name=space.name,
                comment=str(space.properties.get("comment", "")),
                tables=[_table(space.name, t, below) for t in within("table") if "partition" not in t.properties],
                views=within("view"),
                types=within("type"),
                functions=within("function"),
                sequences=[s for s in within("sequence") if s.parent is None],
            )
        )
    filled = [s for s in told if s.tables or s.views or s.types or s.functions or s.sequences]
    return Doc(title=title, schemas=filled, extensions=by_kind.get("extension", []))


def _table(schema: str, table: SchemaObject, below: Mapping[tuple[str, str], list[SchemaObject]]) -> TableDoc:
    columns = below.get(("column", table.name), [])
    constraints = [c for c in below.get(("constraint", table.name), []) if not c.properties.get("domain")]
    nullable = {own_name(c) for c in columns if not c.properties.get("not null")}
    unique = [_listed(str(c.properties["definition"])) for c in constraints if c.properties["type"] in ("p", "u")]
    primary = next((_listed(str(c.properties["definition"])) for c in constraints if c.properties["type"] == "p"), ())
    keys = []
    for c in constraints:
        match = _REFERENCES.match(str(c.properties["definition"]))
        if match is not None:
            own = tuple(part.strip() for part in match["own"].split(","))
            keys.append(
                ForeignKey(
                    name=own_name(c),
                    table=table.name,
                    columns=own,
                    referenced=match["table"],
                    optional=bool(set(own) & nullable),
                    single=any(set(u) <= set(own) for u in unique),
                )
            )
    return TableDoc(
        schema=schema,
        name=table.name[len(schema) + 1 :],
        table=table,
        columns=columns,
        constraints=constraints,
        indexes=[i for i in below.get(("index", table.name), []) if "constraint" not in i.properties],
        policies=below.get(("policy", table.name), []),
        triggers=below.get(("trigger", table.name), []),
        partitions=len(below.get(("table", table.name), [])),
        primary_key=frozenset(primary),
        foreign_keys=keys,
    )


def _listed(definition: str) -> tuple[str, ...]:
    found = re.search(r"\((.+?)\)", definition)
    return tuple(part.strip() for part in found[1].split(",")) if found else ()
