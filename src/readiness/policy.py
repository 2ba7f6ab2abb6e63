"""The policy: what counts how much, and what it takes to be GO. Weights live here, never in a check."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from readiness import yamldoc
from readiness.authoring import Check
from readiness.model import Category, Priority, Scalar
from readiness.yamldoc import ConfigError, Document

Points = Annotated[float, Field(ge=0, le=100)]

CATEGORY_TITLES: Mapping[Category, str] = {
    Category.SCHEMA: "Schema completeness",
    Category.MIGRATION: "Migration safety",
    Category.PERFORMANCE: "Performance",
    Category.SECURITY: "Security",
    Category.OPERATIONS: "Operations",
}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class MustHave(_Section):
    """A criterion that vetoes GO, whatever the score."""

    id: str
    title: str
    checks: tuple[str, ...] = Field(min_length=1)
    permit_not_applicable: tuple[str, ...] = ()
    """Checks of it that may be not applicable, on measured evidence."""


class CheckPolicy(_Section):
    """What a policy says of one check."""

    priority: Priority | None = None
    parameters: dict[str, Scalar] = {}


class Policy(_Section):
    """Weights, threshold, must-haves and parameters."""

    name: str
    title: str = ""
    threshold: Points = 70
    minimum_coverage: Points = 80
    """Under this share measured the decision is HOLD at best."""
    category_floors: dict[Category, Points] = {}
    weights: dict[Category, Points] = {
        Category.SCHEMA: 30,
        Category.MIGRATION: 25,
        Category.PERFORMANCE: 20,
        Category.SECURITY: 15,
        Category.OPERATIONS: 10,
    }
    drop: tuple[Category, ...] = ()
    """Categories that don't count here; the other weights are re-summed to 100."""
    priorities: dict[Priority, Annotated[float, Field(ge=0)]] = {Priority.P0: 4, Priority.P1: 2, Priority.P2: 1}
    attested_cap: Points = 20
    """The most points that attested evidence may earn."""
    evidence_days: float = Field(default=7, gt=0)
    """How long a measurement holds, where its check does not say."""
    waiver_days: int = Field(default=90, gt=0)
    """The longest that a waiver may run."""
    ignored_schemas: tuple[str, ...] = ()
    """Left out by every check, beside the system's own schemas and what extensions own."""
    packs: tuple[str, ...] = ()
    """Other people's checks that run here: installed packages, or folders from the policy's own."""
    must_haves: tuple[MustHave, ...] = ()
    checks: dict[str, CheckPolicy] = {}

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        missing = [c for c in Category if c not in self.weights]
        if missing:
            raise ValueError(
                f"weights: {missing[0].value!r} is missing; every category has a weight (drop leaves one out)"
            )
        total = sum(self.weights.values())
        if abs(total - 100) > 1e-9:
            raise ValueError(f"weights: they sum to {total:g}, not to 100")
        if not sum(weight for c, weight in self.weights.items() if c not in self.drop):
            raise ValueError("drop: no category with a weight is left")
        ids = [m.id for m in self.must_haves]
        if twice := sorted({i for i in ids if ids.count(i) > 1}):
            raise ValueError(f"must_haves: {twice[0]!r} stands twice")
        if Priority.INFO in self.priorities:
            raise ValueError("priorities: info weighs nothing, always")
        if short := [p for p in Priority if p is not Priority.INFO and p not in self.priorities]:
            raise ValueError(f"priorities: {short[0].value!r} is missing")
        return self

    @property
    def sha256(self) -> str:
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def priority_of(self, check: str, default: Priority) -> Priority:
        own = self.checks.get(check)
        return own.priority if own and own.priority is not None else default


class Source(BaseModel):
    """A policy and the folder that its packs' relative paths start from."""

    model_config = ConfigDict(frozen=True)
    policy: Policy
    folder: Path
    shown: str


def shipped() -> list[str]:
    folder = files("readiness_config") / "policies"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load(name_or_path: str, environment: Mapping[str, str]) -> Source:
    """A policy by its shipped name or its file.

    Raises:
        ConfigError: see `yamldoc`.
    """
    document, folder = _read(name_or_path, Path.cwd(), ())
    yamldoc.substitute(document, environment)
    return Source(policy=yamldoc.validate(Policy, document), folder=folder, shown=name_or_path)


def _read(name_or_path: str, base: Path, seen: tuple[str, ...]) -> tuple[Document, Path]:
    path = base / name_or_path
    if name_or_path in shipped() and not name_or_path.endswith((".yaml", ".yml")):
        with as_file(files("readiness_config") / "policies" / f"{name_or_path}.yaml") as own:
            document, folder, key = yamldoc.read(own, shown_as=f"{name_or_path}.yaml"), own.parent, name_or_path
    elif path.exists() or name_or_path.endswith((".yaml", ".yml")):
        document, folder, key = yamldoc.read(path, shown_as=name_or_path), path.resolve().parent, str(path.resolve())
    else:
        near = difflib.get_close_matches(name_or_path, shipped(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"policy {name_or_path!r}: neither a file nor one of {', '.join(shipped())}{hint}")
    if key in seen:
        raise ConfigError(f"{name_or_path}: extends itself")
    extends = document.data.pop("extends", None)
    if extends is None:
        return document, folder
    if not isinstance(extends, str):
        raise ConfigError(f"{document.mark(('extends',))}: extends: expected the name or file of one policy")
    under, _ = _read(extends, folder, (*seen, key))
    _join_must_haves(under, document, extends)
    _overlay(under.data, document.data)
    document.data = under.data
    for at, mark in under.marks.items():
        document.marks.setdefault(at, mark)
    return document, folder


def _join_must_haves(under: Document, over: Document, extends: str) -> None:
    """One list of both: by id, in order; what the one above says of a must-have goes before what is under it.

    A list that replaced the other whole would lift vetoes without a word. `without_must_haves` lifts those that it names.

    Raises:
        ConfigError: it names one that there is not.
    """
    lower, upper = under.data.get(_MUST_HAVES) or [], over.data.get(_MUST_HAVES) or []
    lifted = over.data.pop(_WITHOUT, [])
    if not isinstance(lifted, list):
        raise ConfigError(f"{over.mark((_WITHOUT,))}: {_WITHOUT}: expected a list of ids, like [L3]")
    if not all(isinstance(part, list) and all(isinstance(m, dict) for m in part) for part in (lower, upper)):
        return  # it is told when the whole is validated
    own = {str(m.get("id")): at for at, m in enumerate(upper)}
    if len(own) < len(upper):
        return  # one stands twice, which is told likewise
    ids = [m.get("id") for m in lower]
    if strange := [i for i in lifted if i not in ids]:
        raise ConfigError(
            f"{over.mark((_WITHOUT,))}: {_WITHOUT}: {extends} has no must-have {strange[0]!r}; it has: {', '.join(map(str, ids))}"
        )
    joined: list[dict[str, Any]] = []
    marks = {k: m for k, m in over.marks.items() if k[:1] != (_MUST_HAVES,) or len(k) == 1}

    def take(item: dict[str, Any], *sources: tuple[Document, int]) -> None:
        for document, at in sources:
            for k, mark in document.marks.items():
                if k[:2] == (_MUST_HAVES, at):
                    marks.setdefault((_MUST_HAVES, len(joined), *k[2:]), mark)
        joined.append(item)

    for at, item in enumerate(lower):
        if item.get("id") in lifted:
            continue
        mine = own.pop(str(item.get("id")), None)
        if mine is None:
            take(item, (under, at))
        else:
            take({**item, **upper[mine]}, (over, mine), (under, at))
    for at in sorted(own.values()):
        take(upper[at], (over, at))
    under.marks = {k: m for k, m in under.marks.items() if k[:1] != (_MUST_HAVES,) or len(k) == 1}
    over.marks = marks
    if joined or upper:
        over.data[_MUST_HAVES] = joined
    else:
        under.data.pop(_MUST_HAVES, None)


_MUST_HAVES, _WITHOUT = "must_haves", "without_must_haves"


def _overlay(under: dict[str, Any], over: dict[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(under.get(key), dict):
            _overlay(under[key], value)
        else:
            under[key] = value


def check_names(source: Source, checks: Iterable[Check]) -> None:
    """See that a policy names checks and parameters that there are.

    Raises:
        ConfigError: it names one that there is not, or gives a parameter a value of another type.
    """
    known = {check.info.id: check.info for check in checks}
    problems = []
    policy = source.policy
    named = [(f"must_haves: {m.id}", name) for m in policy.must_haves for name in (*m.checks, *m.permit_not_applicable)]
    named += [("checks", name) for name in policy.checks]
    for where, name in named:
        if name not in known:
            problems.append(f"{source.shown}: {where}: {unknown_check(name, known)}")
    for name, own in policy.checks.items():
        for parameter, value in own.parameters.items():
            if name not in known:
                continue
            defaults = known[name].parameters
            if parameter not in defaults:
                listed = ", ".join(sorted(defaults)) or "none"
                problems.append(f"{source.shown}: checks.{name}: no parameter {parameter!r}; it has: {listed}")
            elif not _same_type(value, defaults[parameter]):
                problems.append(
                    f"{source.shown}: checks.{name}.parameters.{parameter}: {value!r}: "
                    f"expected {_type_name(defaults[parameter])}"
                )
    if problems:
        raise ConfigError(*problems)


def unknown_check(name: str, known: Iterable[str]) -> str:
    # The category alone makes any two names of one look alike: what follows it must, too.
    near = [n for n in difflib.get_close_matches(name, list(known), n=3) if _alike(name, n)][:1]
    return f"no check is named {name!r}{f'; did you mean {near[0]!r}?' if near else ''}"


def _alike(name: str, other: str) -> bool:
    return bool(difflib.get_close_matches(name.rpartition("/")[2], [other.rpartition("/")[2]]))


def _same_type(value: Scalar, default: Scalar) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, int | float):
        return isinstance(value, int | float)
    return isinstance(value, str)


def _type_name(default: Scalar) -> str:
    if isinstance(default, bool):
        return "true or false"
    return "a number" if isinstance(default, int | float) else "a text"
