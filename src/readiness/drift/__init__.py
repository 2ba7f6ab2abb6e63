"""How two schemas differ, in words and in the order in which one would mend them. `ddl` writes what closes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from readiness.facts.fingerprint import SchemaFingerprint, SchemaObject, Value, in_order

_LONGEST = 200
_AT_DEFAULT: Mapping[str, str] = {"not null": "nullable", "default": "no default", "comment": "no comment"}


class Change(StrEnum):
    """What became of an object between the first schema and the second."""

    GONE = "gone"
    NEW = "new"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One object that is not alike in two schemas.

    Args:
        before, after: the object in the first and the second; None where it isn't.
        below: how many objects came or went with it (a table's columns, indexes...), by kind.
    """

    before: SchemaObject | None
    after: SchemaObject | None
    below: Mapping[str, int]

    @property
    def object(self) -> SchemaObject:
        found = self.after or self.before
        assert found is not None
        return found

    @property
    def change(self) -> Change:
        if self.after is None:
            return Change.GONE
        return Change.NEW if self.before is None else Change.CHANGED

    @property
    def properties(self) -> list[tuple[str, Value | None, Value | None]]:
        """(name, before, after) of each property that differs; empty where the whole object came or went."""
        if self.before is None or self.after is None:
            return []
        one, other = self.before.properties, self.after.properties
        return [(name, one.get(name), other.get(name)) for name in {**one, **other} if one.get(name) != other.get(name)]

    def __str__(self) -> str:
        """`column public.t.a: default: 0 became no default`, `index public.t_a is gone`."""
        subject = f"{self.object.kind} {self.object.name}"
        if self.change is not Change.CHANGED:
            with_it = ", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in self.below.items())
            return f"{subject} is {self.change}{f' (with {with_it})' if with_it else ''}"
        return f"{subject}: {'; '.join(_said(*p) for p in self.properties)}"


def _said(name: str, before: Value | None, after: Value | None) -> str:
    if isinstance(before, list) or isinstance(after, list):
        one, other = _listed(before), _listed(after)
        lost, won = [i for i in one if i not in other], [i for i in other if i not in one]
        if lost or won:
            parts = [*(f"without {_short(i)}" for i in lost), *(f"with {_short(i)}" for i in won)]
            return f"{name}: now {', '.join(parts)}"
    return f"{name}: {_shown(name, before)} became {_shown(name, after)}"


def _listed(value: Value | None) -> list[str]:
    return value if isinstance(value, list) else [] if value is None else [str(value)]


def _shown(name: str, value: Value | None) -> str:
    match value:
        case None:
            return _AT_DEFAULT.get(name, "none")
        case True:
            return name if name.startswith("not ") else "yes"
        case list():
            return _short(", ".join(value)) or "none"
        case _:
            return _short(str(value))


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST else f"{flat[:_LONGEST]}..."


def differences(before: SchemaFingerprint, after: SchemaFingerprint) -> list[Difference]:
    """What changed from one schema to the other; what came or went with its parent is counted there."""
    first = {(o.kind, o.name): o for o in before.objects}
    second = {(o.kind, o.name): o for o in after.objects}
    if before.major != after.major:
        raise ValueError(f"fingerprints of PostgreSQL {before.major} and {after.major} can't be compared")
    _place_anew(first, second)
    came_or_went = {o.name for o in _only_in(first, second)} | {o.name for o in _only_in(second, first)}
    below: dict[str, Counter[str]] = {}
    found: list[tuple[str, SchemaObject | None, SchemaObject | None]] = []
    for o in in_order([*first.values(), *(o for key, o in second.items() if key not in first)]):
        key = (o.kind, o.name)
        old, new = first.get(key), second.get(key)
        if old is not None and new is not None:
            if old.properties != new.properties or old.parent != new.parent:
                found.append((o.name, old, new))
        elif o.parent is not None and o.parent in came_or_went:
            below.setdefault(_topmost(o, came_or_went, {**first, **second}), Counter())[o.kind] += 1
        else:
            found.append((o.name, old, new))
    return [Difference(before=old, after=new, below=dict(below.get(name, {}))) for name, old, new in found]


def _place_anew(first: dict[tuple[str, str], SchemaObject], second: dict[tuple[str, str], SchemaObject]) -> None:
    """Places among the columns that both have, so that a dropped column doesn't seem to move all that stand behind it.

    Of those that stand in another order the fewest are told to have moved.
    """
    both = [key for key in first if key[0] == "column" and key in second]
    by_table: dict[str | None, list[tuple[str, str]]] = {}
    for key in both:
        by_table.setdefault(first[key].parent, []).append(key)
    for keys in by_table.values():
        before = sorted(keys, key=lambda k: _position(first[k]))
        after = sorted(keys, key=lambda k: _position(second[k]))
        stay = set(before) if before == after else set(_longest_common(before, after))
        for at, key in enumerate(after, 1):
            old = at if key in stay else before.index(key) + 1
            first[key] = replace(first[key], properties={**first[key].properties, "position": old})
            new = at if key in stay or at != old else _position(second[key])
            second[key] = replace(second[key], properties={**second[key].properties, "position": new})


def _position(column: SchemaObject) -> int:
    at = column.properties["position"]
    assert isinstance(at, int)
    return at


def _longest_common(before: list[tuple[str, str]], after: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The most columns that keep their order: the longest rising run of old places, read in the new order."""
    old = {key: at for at, key in enumerate(before)}
    best: list[list[tuple[str, str]]] = []
    for key in after:
        longest = max((run for run in best if old[run[-1]] < old[key]), key=len, default=[])
        best.append([*longest, key])
    return max(best, key=len, default=[])


def _only_in(
    one: Mapping[tuple[str, str], SchemaObject], other: Mapping[tuple[str, str], SchemaObject]
) -> Iterable[SchemaObject]:
    return (o for key, o in one.items() if key not in other)


def _topmost(o: SchemaObject, gone: set[str], everything: Mapping[tuple[str, str], SchemaObject]) -> str:
    """The outermost of the parents that came or went: a partition's partition counts for the root."""
    name = o.parent or o.name
    while parent := next((everything[k].parent for k in (("table", name), ("view", name)) if k in everything), None):
        if parent not in gone:
            break
        name = parent
    return name
