"""The vocabulary: what is seen, what is concluded, what it weighs. A leaf: standard library only, no I/O, no clock.

A check answers with one outcome. Three types, and a `match` where they part:

    Examined        looked at every subject; whether it passed is read off the observations
    NotApplicable   measured that there is nothing of the kind here
    Unknown         could not look, or not at everything; never counted as a pass
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from math import isfinite, isnan, log10
from types import MappingProxyType
from typing import Any, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None
Evidence: TypeAlias = Mapping[str, "Scalar | Sequence[Scalar]"]


class Category(StrEnum):
    SCHEMA = "schema"
    MIGRATION = "migration"
    PERFORMANCE = "performance"
    SECURITY = "security"
    OPERATIONS = "operations"


class Priority(StrEnum):
    """P0 must hold, P1 should, P2 is good to have; `info` is told and weighs nothing (opinions, previews)."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    INFO = "info"


class Effort(StrEnum):
    """What mending takes: minutes, a day, longer."""

    S = "S"
    M = "M"
    L = "L"


class Status(StrEnum):
    PASS = "pass"  # noqa: S105  a status
    PARTIAL = "partial"
    FAIL = "fail"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"


class Reason(StrEnum):
    """Why something could not be looked at."""

    NO_PERMISSION = "no_permission"
    MISSING_EXTENSION = "missing_extension"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    ERROR = "error"
    INSUFFICIENT_SAMPLES = "insufficient_samples"
    STALE = "stale"
    NO_ATTESTATION = "no_attestation"
    NOT_CONFIGURED = "not_configured"
    NOT_SELECTED = "not_selected"
    LOCKED = "locked"
    WRONG_ROLE = "wrong_role"
    UNSUPPORTED = "unsupported"
    NOT_OBSERVABLE = "not_observable"


class EvidenceKind(StrEnum):
    MEASURED = "measured"
    ATTESTED = "attested"


# What a subject can be, and the catalog whose oid anchors it in the database. Anchored subjects follow the policy's
# ignored schemas, leave out what an extension owns, and count for the service that the schema belongs to.
SUBJECT_KINDS: Mapping[str, str | None] = MappingProxyType(
    {
        "table": "pg_class",
        "column": "pg_class",
        "constraint": "pg_class",
        "index": "pg_class",
        "policy": "pg_class",
        "trigger": "pg_class",
        "sequence": "pg_class",
        "view": "pg_class",
        "function": "pg_proc",
        "type": "pg_type",
        "schema": "pg_namespace",
        "role": None,
        "setting": None,
        "extension": None,
        "database": None,
        "server": None,
        "rule": None,
        "query": None,
        "session": None,
        "slot": None,
        "standby": None,
        "subscription": None,
        "transaction": None,
        "service": None,
        "store": None,
        "address": None,
        "migration": None,
        "file": None,
        "drill": None,
        "backup": None,
        "attestation": None,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One subject that a check looked at, and what it saw.

    Args:
        subject: the object's name, quoted as Postgres quotes it (`auth."Odd Name"`, `schema.table:constraint`).
        ok: whether the subject is healthy. An observation that is not ok is a finding.
        evidence: what was seen, by name; names carry the unit (`age_seconds`).
        remedy: SQL that takes the finding away, or a worded instruction where no statement can.
        kind: the subject's kind, where it differs from the check's.
        expires: when what was seen stops counting (UTC), where that is sooner than the policy says.
    """

    subject: str
    ok: bool
    evidence: Evidence = field(default_factory=dict)
    remedy: str | None = None
    kind: str | None = None
    expires: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """One subject that a check could not look at, or not well enough, why, and what would let it."""

    subject: str
    reason: Reason
    detail: str
    unlock: str | None = None
    kind: str | None = None
    evidence: Evidence = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many subjects were examined, how many of them were healthy, and how many could not be seen beside them."""

    examined: int
    ok: int
    unseen: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """The check looked, and accounts for every subject.

    Args:
        observations: every finding (up to the cap), and healthy subjects where they were listed.
        unseen: subjects that could not be looked at, beside findings that stand without them (listed up to a cap).
        tally: all subjects, listed or only counted by the server, by scope (`scope_of`).
    """

    observations: tuple[Observation, ...]
    tally: Mapping[str, Count]
    unseen: tuple[Unseen, ...] = ()

    @property
    def examined(self) -> int:
        return sum(count.examined for count in self.tally.values())

    @property
    def healthy(self) -> int:
        return sum(count.ok for count in self.tally.values())

    @property
    def hidden(self) -> int:
        return sum(count.unseen for count in self.tally.values())

    @property
    def findings(self) -> tuple[Observation, ...]:
        return tuple(o for o in self.observations if not o.ok)


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """There is nothing here of the kind that the check is about; `evidence` says how that was measured."""

    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """The check could not look, or what it saw does not settle the question.

    Args:
        reason: from the closed set.
        detail: one sentence.
        unlock: the GRANT, setting or command that would let it look.
        unseen: the subjects that it could not look at, where it looked at others.
        observations: what it did see, all healthy (a finding would have decided).
    """

    reason: Reason
    detail: str
    unlock: str | None = None
    unseen: tuple[Unseen, ...] = ()
    observations: tuple[Observation, ...] = ()


Outcome: TypeAlias = Examined | NotApplicable | Unknown


@dataclass(frozen=True, slots=True)
class Binary:
    """Full credit when every subject is healthy, else none."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """The healthy share of the subjects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """The mean over the subjects of a linear credit: 1 at `target`, 0 at `limit`, read from evidence `measure`."""

    measure: str
    target: float
    limit: float

    def __post_init__(self) -> None:
        if not (isfinite(self.target) and isfinite(self.limit)) or self.target == self.limit:
            raise ValueError("a ramp has a target and a limit, two different numbers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiers:
    """The mean over the subjects of a stepped credit: the first (upper bound, credit) that holds `measure`, else 0."""

    measure: str
    steps: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        limits = [limit for limit, _ in self.steps]
        if not limits or limits != sorted(set(limits)) or not all(isfinite(limit) for limit in limits):
            raise ValueError("tiers have upper bounds, each larger than the one before")
        if not all(0 <= credit < 1 for _, credit in self.steps):
            raise ValueError("a tier's credit lies in [0, 1): full credit is for what is healthy")


Credit: TypeAlias = Binary | Ratio | Ramp | Tiers

BINARY = Binary()
RATIO = Ratio()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInfo:
    """What is known of a check before it runs."""

    id: str
    title: str
    category: Category
    priority: Priority
    effort: Effort
    credit: Credit
    subject_kind: str
    universe: str
    """The subjects in words, plural: "foreign keys"."""
    why: str
    mend: str
    needs: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    """Names and defaults of what a policy may set."""
    attestable: bool = False
    """Whether a signed statement may stand in where no probe can see."""
    valid_days: int | None = None
    """How long its evidence holds, where that is not the policy's default."""
    pack: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """A check's outcome, unweighed.

    Args:
        expires: when the evidence stops counting (UTC), or None where it does not age.
        waived: indices into the outcome's findings that an accepted waiver covers.
    """

    check: CheckInfo
    outcome: Outcome
    seconds: float = 0.0
    evidence_kind: EvidenceKind = EvidenceKind.MEASURED
    expires: datetime | None = None
    waived: frozenset[int] = frozenset()
    waiver_expires: datetime | None = None

    @property
    def credit(self) -> Fraction | None:
        """The share of the check's weight that is earned, in [0, 1]; None where nothing is known or nothing applies."""
        match self.outcome:
            case Examined() as examined:
                return credit_of(self.check.credit, examined)[0]
            case NotApplicable() | Unknown():
                return None

    @property
    def best_credit(self) -> Fraction | None:
        """The credit were everything healthy that could not be seen; None where nothing applies."""
        match self.outcome:
            case Examined() as examined:
                return credit_of(self.check.credit, examined)[1]
            case Unknown():
                return Fraction(1)
            case NotApplicable():
                return None

    @property
    def status(self) -> Status:
        match self.outcome:
            case NotApplicable():
                return Status.NOT_APPLICABLE
            case Unknown():
                return Status.UNKNOWN
            case Examined():
                credit = self.credit
                if credit == 1:
                    return Status.PASS
                return Status.PARTIAL if credit else Status.FAIL

    @property
    def effort(self) -> Effort:
        """What it takes to settle: a grant, a setting or a command that lets the check look takes little."""
        unlocked = isinstance(self.outcome, Unknown) and self.outcome.unlock
        return Effort.S if unlocked else self.check.effort

    @property
    def fully_waived(self) -> bool:
        """Whether every finding is covered by a waiver, so that it lifts a veto; it never adds a point."""
        match self.outcome:
            case Examined() as examined if not examined.hidden:
                listed = len(examined.findings)
                return 0 < listed == len(self.waived) == examined.examined - examined.healthy
            case _:
                return False


def credit_of(form: Credit, examined: Examined) -> tuple[Fraction, Fraction]:
    """The credit of an examined check: what it earns, and what it would if all that is unseen were healthy. Exact.

    With a subject unseen it earns nothing, as it would if it were unknown for that: mending a finding beside it must
    not lower the score, and seeing less must not raise it.
    """
    total = examined.examined + examined.hidden
    if not total:
        raise ValueError("an examined check has at least one subject; an empty one is NotApplicable")
    match form:
        case Binary():
            best = Fraction(int(examined.healthy == examined.examined))
        case Ratio():
            best = Fraction(examined.healthy + examined.hidden, total)
        case Ramp() | Tiers():
            unlisted_healthy = examined.healthy - sum(o.ok for o in examined.observations)
            graded = sum((_graded(form, o) for o in examined.observations), Fraction(unlisted_healthy))
            best = (graded + examined.hidden) / total
    return (Fraction(0) if examined.hidden else best), best


def _graded(form: Ramp | Tiers, observation: Observation) -> Fraction:
    if observation.ok:
        return Fraction(1)
    measure = observation.evidence.get(form.measure)
    if isinstance(measure, bool) or not isinstance(measure, int | float) or measure != measure:  # noqa: PLR0124  NaN
        return Fraction(0)
    match form:
        case Ramp(target=target, limit=limit):
            if measure in (float("inf"), float("-inf")):
                return Fraction(0)
            share = (_exact(limit) - _exact(measure)) / (_exact(limit) - _exact(target))
            return min(max(share, Fraction(0)), _ALMOST)
        case Tiers(steps=steps):
            return next((_exact(credit) for bound, credit in steps if measure <= bound), Fraction(0))


_ALMOST = Fraction(99, 100)  # a finding never earns full credit, whatever its measure says


def _exact(number: float) -> Fraction:
    """The decimal number as it is written, not its nearest binary neighbour: 0.1 is 1/10."""
    return Fraction(repr(number)) if isinstance(number, float) else Fraction(number)


_IDENTIFIER = re.compile(r'"((?:[^"]|"")*)"|([^.":/]+)')  # schema.table:constraint, schema.table/policy


def scope_of(subject: str, kind: str, owned_tables: Container[str] = ()) -> str:
    """What a subject counts for: its schema (its table, where a service owns that table alone); else the subject itself.

    Names come back always quoted, since which words need it differs between versions of the server.
    """
    if kind == "role":
        return always_quoted(subject)
    anchor = SUBJECT_KINDS.get(kind)
    found = _IDENTIFIER.match(subject) if anchor else None
    if found is None:
        return subject
    schema = always_quoted(found.group())
    below = _IDENTIFIER.match(subject, found.end() + 1) if anchor == "pg_class" else None
    table = f"{schema}.{always_quoted(below.group())}" if below else schema
    return table if table in owned_tables else schema


def always_quoted(identifier: str) -> str:
    """An identifier as SQL writes it, in double quotes whether it needs them or not."""
    return identifier if identifier.startswith('"') else f'"{identifier}"'


def tally(
    observations: Sequence[Observation], unseen: Sequence[Unseen], kind: str, owned_tables: Container[str] = ()
) -> dict[str, Count]:
    """Count listed subjects by scope."""
    counts: dict[str, Count] = {}
    subjects: list[Observation | Unseen] = [*observations, *unseen]
    for s in subjects:
        scope = scope_of(s.subject, s.kind or kind, owned_tables)
        seen = counts.get(scope, Count(examined=0, ok=0))
        match s:
            case Observation():
                counts[scope] = replace(seen, examined=seen.examined + 1, ok=seen.ok + s.ok)
            case Unseen():
                counts[scope] = replace(seen, unseen=seen.unseen + 1)
    return counts


def settle(
    observations: Sequence[Observation],
    unseen: Sequence[Unseen],
    counts: Mapping[str, Count],
) -> Examined | Unknown:
    """What the subjects together say: a finding decides, else an unseen subject leaves it open, else all is well."""
    examined = Examined(observations=tuple(observations), tally=dict(counts), unseen=tuple(unseen))
    if examined.healthy < examined.examined or not unseen:
        return examined
    first = unseen[0]
    others = f" (and {examined.hidden - 1:,} more)" if examined.hidden > 1 else ""
    return Unknown(
        reason=first.reason,
        detail=f"{first.subject}: {first.detail}{others}",
        unlock=next((u.unlock for u in unseen if u.unlock), None),
        unseen=tuple(unseen),
        observations=tuple(observations),
    )


def sound(examined: Examined, kind: str) -> Examined:
    """The outcome, if it doesn't contradict itself.

    Raises:
        ValueError: it does.
    """
    if not examined.examined + examined.hidden:
        raise ValueError("an examined check has at least one subject")
    if any(not 0 <= c.ok <= c.examined or c.unseen < 0 for c in examined.tally.values()):
        raise ValueError("more healthy subjects than subjects")
    listed_ok = sum(o.ok for o in examined.observations)
    if len(examined.observations) - listed_ok > examined.examined - examined.healthy or listed_ok > examined.healthy:
        raise ValueError("the listed subjects are more than the counted ones")
    if len(examined.unseen) > examined.hidden:
        raise ValueError("the listed unseen subjects are more than the counted ones")
    listed: list[Observation | Unseen] = [*examined.observations, *examined.unseen]
    named = [(s.kind or kind, s.subject) for s in listed]
    if len(set(named)) < len(named):
        twice = next(n for n in named if named.count(n) > 1)
        raise ValueError(f"the subject {twice[1]!r} stands twice")
    return examined


_LONGEST = 4_000  # characters of one piece of evidence
_WIDEST = 1_024  # bits of a whole number; of a larger one the magnitude is told
_SHORT = 2**63


def plain(evidence: Mapping[str, Any]) -> Mapping[str, Scalar | list[Scalar]]:
    """Evidence as every format can carry it: scalars and flat lists of them, finite numbers, encodable, bounded text.

    Infinity becomes the word (a wait without end is something to tell); what is no number becomes None. What is all so
    already comes back as it is.
    """
    if all(map(_is_plain, evidence.values())) and {*map(type, evidence)} <= {str}:
        return evidence
    return {
        str(name): [_scalar(v) for v in value] if isinstance(value, list | tuple) else _scalar(value)
        for name, value in evidence.items()
    }


def _is_plain(value: Any) -> bool:
    """Whether it is plain for sure, seen soon: `_scalar` says of the others."""
    if value is None or type(value) is bool:
        return True
    if type(value) is str:
        return len(value) <= _LONGEST and value.isascii()
    if type(value) is int:
        return -_SHORT <= value <= _SHORT
    return type(value) is list and all(type(v) is str and _is_plain(v) for v in value)


def _scalar(value: Any) -> Scalar:
    if type(value) is str and value.isascii() and len(value) <= _LONGEST:
        return value  # nearly all are
    match value:
        case None | bool():
            return value
        case int():
            if value.bit_length() <= _WIDEST:
                return value
            return f"{'-' if value < 0 else ''}1e{int(value.bit_length() * log10(2))}"
        case float():
            if isfinite(value):
                return value
            return None if isnan(value) else "infinity" if value > 0 else "-infinity"
        case _:
            text = str(value).encode("utf-8", "backslashreplace").decode()
            return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


_PLAIN_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_$]*")

# The words that quote_ident() quotes: every keyword that is not UNRESERVED (src/include/parser/kwlist.h).
_QUOTED_WORDS = frozenset(
    [
        "all",
        "analyse",
        "analyze",
        "and",
        "any",
        "array",
        "as",
        "asc",
        "asymmetric",
        "authorization",
        "between",
        "bigint",
        "binary",
        "bit",
        "boolean",
        "both",
        "case",
        "cast",
        "char",
        "character",
        "check",
        "coalesce",
        "collate",
        "collation",
        "column",
        "concurrently",
        "constraint",
        "create",
        "cross",
        "current_catalog",
        "current_date",
        "current_role",
        "current_schema",
        "current_time",
        "current_timestamp",
        "current_user",
        "dec",
        "decimal",
        "default",
        "deferrable",
        "desc",
        "distinct",
        "do",
        "else",
        "end",
        "except",
        "exists",
        "extract",
        "false",
        "fetch",
        "float",
        "for",
        "foreign",
        "freeze",
        "from",
        "full",
        "grant",
        "greatest",
        "group",
        "grouping",
        "having",
        "ilike",
        "in",
        "initially",
        "inner",
        "inout",
        "int",
        "integer",
        "intersect",
        "interval",
        "into",
        "is",
        "isnull",
        "join",
        "json",
        "json_array",
        "json_arrayagg",
        "json_exists",
        "json_object",
        "json_objectagg",
        "json_query",
        "json_scalar",
        "json_serialize",
        "json_table",
        "json_value",
        "lateral",
        "leading",
        "least",
        "left",
        "like",
        "limit",
        "localtime",
        "localtimestamp",
        "merge_action",
        "national",
        "natural",
        "nchar",
        "none",
        "normalize",
        "not",
        "notnull",
        "null",
        "nullif",
        "numeric",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "out",
        "outer",
        "overlaps",
        "overlay",
        "placing",
        "position",
        "precision",
        "primary",
        "real",
        "references",
        "returning",
        "right",
        "row",
        "select",
        "session_user",
        "setof",
        "similar",
        "smallint",
        "some",
        "substring",
        "symmetric",
        "system_user",
        "table",
        "tablesample",
        "then",
        "time",
        "timestamp",
        "to",
        "trailing",
        "treat",
        "trim",
        "true",
        "union",
        "unique",
        "user",
        "using",
        "values",
        "varchar",
        "variadic",
        "verbose",
        "when",
        "where",
        "window",
        "with",
        "xmlattributes",
        "xmlconcat",
        "xmlelement",
        "xmlexists",
        "xmlforest",
        "xmlnamespaces",
        "xmlparse",
        "xmlpi",
        "xmlroot",
        "xmlserialize",
        "xmltable",
    ]
)


def quote_ident(name: str) -> str:
    """Quote an identifier as Postgres' own quote_ident() does."""
    if _PLAIN_IDENTIFIER.fullmatch(name) and name not in _QUOTED_WORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Quote a string as Postgres' own quote_literal() does."""
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in quoted else quoted


def count_of(number: int, plural: str) -> str:
    """`1 table`, `7 tables`: universes are written in the plural."""
    if number != 1:
        return f"{number:,} {plural}"
    head, *tail = plural.split(" ")
    for at, word in enumerate(words := [head, *tail]):
        # The noun stands before "of", "in", "that"...; the first word that ends in s is it.
        if word.endswith("ies"):
            words[at] = word[:-3] + "y"
        elif word.endswith(("sses", "xes", "ches")):
            words[at] = word[:-2]
        elif word.endswith("s") and not word.endswith(("ss", "is")):
            words[at] = word[:-1]
        else:
            continue
        break
    return f"1 {' '.join(words)}"
