"""Remedies made into migrations: taken apart into statements, put in order, each with its way back where that can be derived.

A finding's remedy is SQL, or advice. What is SQL for the schema becomes a migration; what is none, what needs a human (a
placeholder), and what belongs to the server and not to a schema (settings, vacuum) is handed back with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from readiness import sqltext
from readiness.document import CheckPart, FindingPart, RunDocument
from readiness.model import count_of, quote_ident


class Phase(IntEnum):
    """What comes before what: names before what uses them, and moves last, since they rename what all else speaks of."""

    ROLES = 1
    SCHEMAS = 2
    NAMES = 3
    SHAPE = 4
    INDEXES = 5
    RIGHTS = 6
    MOVES = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One statement, without its semicolon.

    Args:
        undo: the statement that takes it back; empty where nothing has to be, None where none can be derived.
        tied: whether it may run in a transaction.
        settings: `set local ...` that it needs before it.
    """

    sql: str
    undo: str | None
    tied: bool
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One finding's remedy."""

    check: str
    subject: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """A finding that no migration mends, and why."""

    check: str
    subject: str
    why: str
    remedy: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file, or pair of files.

    Args:
        name: in lower case, words parted by underscores.
        notes: for whoever reviews it.
        down: empty where nothing has to be undone; None where no whole way back can be derived.
        lost: the statements that have no way back.
    """

    name: str
    notes: tuple[str, ...]
    up: tuple[str, ...]
    down: tuple[str, ...] | None
    lost: tuple[str, ...]
    tied: bool
    phase: Phase
    mends: tuple[tuple[str, str], ...]
    """(check, subject)."""


# -- taking apart ----------------------------------------------------------------------------------------------


def read(run: RunDocument) -> tuple[list[Remedy], list[ByHand]]:
    """The remedies of a run's findings, in the order in which they are to be applied; and what has none that a file can hold."""
    found: list[Remedy] = []
    by_hand: list[ByHand] = []
    names: dict[tuple[str, str], str] = {}
    for check in run.checks:
        for finding in check.findings:
            if not check.weight or finding.waived:
                continue
            match _read(check, finding, names):
                case Remedy() as remedy:
                    found.append(remedy)
                case ByHand() as why:
                    by_hand.append(why)
    return sorted(found, key=lambda r: (r.phase, r.check)), by_hand


def _read(check: CheckPart, finding: FindingPart, names: dict[tuple[str, str], str]) -> Remedy | ByHand:
    def by_hand(why: str) -> ByHand:
        return ByHand(check=check.id, subject=finding.subject, why=why, remedy=finding.remedy)

    text = finding.remedy
    if text is None:
        return by_hand("no statement mends it; see how the check says to")
    steps: list[Step] = []
    settings: list[str] = []
    phase = Phase.ROLES
    for statement in sqltext.statements(text):
        if why := _not_for_a_file(statement):
            return by_hand(why)
        if statement.starts("begin") or statement.starts("commit"):
            continue
        if statement.starts("set", "local"):
            settings.append(_tidy(statement.text))
            continue
        sql = _named(_tidy(statement.text), names)
        steps.append(
            Step(
                sql=sql,
                undo=_undo(sql, finding.evidence),
                tied=not any(t.says("concurrently") for t in statement.tokens[:6]),
                settings=tuple(settings),
            )
        )
        phase = max(phase, _phase(statement))
    if not steps:
        return by_hand("it holds no statement")
    notes = tuple(m.strip() for m in re.findall(r"^[ \t]*--[ \t]?(.*)$", text, re.MULTILINE) if m.strip())
    return Remedy(check=check.id, subject=finding.subject, steps=tuple(steps), notes=notes, phase=phase)


_VERBS = frozenset(
    [
        "alter",
        "begin",
        "commit",
        "comment",
        "create",
        "delete",
        "drop",
        "grant",
        "insert",
        "revoke",
        "set",
        "update",
        "reindex",
    ]
)


def _not_for_a_file(statement: sqltext.Statement) -> str | None:
    if not statement.tokens[0].says(*_VERBS):
        if statement.tokens[0].says("vacuum", "analyze", "select", "refresh", "cluster"):
            return "it is maintenance of this one database, not of its schema: run it there"
        return "it is advice, not a statement"
    if statement.starts("alter", "system") or statement.starts("create", "database"):
        return "it is a setting of the server, not of the schema"
    if "..." in statement.text or re.search(r"<[a-z][a-z _-]*>", statement.text):
        return "a placeholder in it waits for a human"
    return None


def _tidy(sql: str) -> str:
    return sql.strip().rstrip(";").strip()


def _phase(statement: sqltext.Statement) -> Phase:
    words = [t.text for t in statement.tokens if t.kind == "word"]
    joined = " ".join(words)
    if statement.starts("create", "role"):
        return Phase.ROLES
    if statement.starts("create", "schema"):
        return Phase.SCHEMAS
    if statement.starts("create", "type") or statement.starts("create", "extension"):
        return Phase.NAMES
    if statement.starts("alter") and ("set schema" in joined or "rename to" in joined):
        return Phase.MOVES
    if "index" in words[:4] or statement.starts("reindex"):
        return Phase.INDEXES
    if statement.tokens[0].says("grant", "revoke") or "row level security" in joined or "policy" in words[:2]:
        return Phase.RIGHTS
    return Phase.SHAPE


# -- the way back ----------------------------------------------------------------------------------------------

_I = r'(?:"(?:[^"]|"")+"|[a-zA-Z_][\w$]*)'
_Q = rf"{_I}(?:\.{_I})*"

_FLIPS: Mapping[str, str] = {
    "enable row level security": "disable row level security",
    "disable row level security": "enable row level security",
    "force row level security": "no force row level security",
    "no force row level security": "force row level security",
    "set logged": "set unlogged",
    "set unlogged": "set logged",
}
_POWERS = ("superuser", "createdb", "createrole", "replication", "bypassrls", "login", "inherit")


def _undo(sql: str, evidence: Mapping[str, object]) -> str | None:
    for pattern, made in _UNDOS:
        if match := re.fullmatch(pattern, sql, re.IGNORECASE | re.DOTALL):
            return made(match, evidence)
    return None


def _index_back(m: re.Match[str], _evidence: Mapping[str, object]) -> str:
    schema = m["table"].rpartition(".")[0]
    return f"drop index {'concurrently ' if m['how'] else ''}{f'{schema}.' if schema else ''}{m['name']}"


def _type_back(m: re.Match[str], evidence: Mapping[str, object]) -> str | None:
    """To the type that the finding saw, where a cast leads back to the same values."""
    was = str(evidence.get("type") or evidence.get("live") or "").removesuffix(" not null")
    if not re.fullmatch(r"[a-z][a-z ]*(?:\(\d+(?:,\d+)?\))?", was) or m["type"].strip().endswith("[]"):
        return None
    return f"alter table {m['table']} alter column {m['column']} type {was} using {m['column']}::{was}"


def _moved_back(m: re.Match[str], _evidence: Mapping[str, object]) -> str | None:
    schema, dot, name = m["object"].rpartition(".")
    return f"alter {m['kind']} {m['schema']}.{name} set schema {schema}" if dot else None


def _powers_back(m: re.Match[str], _evidence: Mapping[str, object]) -> str | None:
    flipped = []
    for word in m["words"].lower().split():
        bare = word.removeprefix("no")
        if bare not in _POWERS:
            return None
        flipped.append(bare if word.startswith("no") else f"no{bare}")
    return f"alter role {m['role']} {' '.join(flipped)}"


_Made = Callable[[re.Match[str], Mapping[str, object]], str | None]
_UNDOS: Sequence[tuple[str, _Made]] = (
    (
        rf"create\s+(?:unique\s+)?index\s+(?P<how>concurrently\s+)?(?P<name>{_I})\s+on\s+(?P<table>{_Q})\s*.*",
        _index_back,
    ),
    (r"create\s+schema\s+if\s+not\s+exists\s+.*", lambda _m, _e: ""),
    (rf"create\s+(?P<kind>schema|role|extension)\s+(?P<name>{_I})\b.*", lambda m, _e: f"drop {m['kind']} {m['name']}"),
    (rf"create\s+(?P<kind>type|table)\s+(?P<name>{_Q})\b.*", lambda m, _e: f"drop {m['kind']} {m['name']}"),
    (
        rf"create\s+(?P<kind>policy|trigger)\s+(?P<name>{_I})\s+(?:.*\s)?on\s+(?P<table>{_Q})\b.*",
        lambda m, _e: f"drop {m['kind']} {m['name']} on {m['table']}",
    ),
    (r"alter\s+table\s+.*\busing\s+index\b.*", lambda _m, _e: None),  # the constraint takes the index over
    (
        rf"alter\s+table\s+(?P<table>{_Q})\s+add\s+(?P<kind>constraint|column)\s+(?P<name>{_I})\s.*",
        lambda m, _e: f"alter table {m['table']} drop {m['kind']} {m['name']}",
    ),
    (rf"alter\s+table\s+{_Q}\s+validate\s+constraint\s+{_I}", lambda _m, _e: ""),
    (rf"reindex\s+index\s+(?:concurrently\s+)?{_Q}", lambda _m, _e: ""),
    (
        rf"alter\s+table\s+(?P<table>{_Q})\s+alter\s+column\s+(?P<column>{_I})\s+(?P<verb>set|drop)\s+not\s+null",
        lambda m, _e: (
            f"alter table {m['table']} alter column {m['column']} {'drop' if m['verb'].lower() == 'set' else 'set'} not null"
        ),
    ),
    (
        rf"alter\s+table\s+(?P<table>{_Q})\s+alter\s+column\s+(?P<column>{_I})\s+type\s+"
        r"(?P<type>(?:(?!\busing\b)[^;])+?)(?:\s+using\s+.*)?",
        _type_back,
    ),
    (
        rf"alter\s+table\s+(?P<table>{_Q})\s+(?P<verb>enable|disable)\s+trigger\s+(?P<name>{_I})",
        lambda m, _e: (
            f"alter table {m['table']} {'disable' if m['verb'].lower() == 'enable' else 'enable'} trigger {m['name']}"
        ),
    ),
    (
        rf"alter\s+table\s+(?P<table>{_Q})\s+(?P<what>{'|'.join(_FLIPS)})",
        lambda m, _e: f"alter table {m['table']} {_FLIPS[m['what'].lower()]}",
    ),
    (
        rf"alter\s+(?P<kind>table|view|sequence|type|materialized\s+view|extension)\s+(?P<object>{_Q})\s+set\s+schema\s+(?P<schema>{_I})",
        _moved_back,
    ),
    (rf"alter\s+role\s+(?P<role>{_I})\s+(?P<words>(?:\s*[a-z]+)+)", _powers_back),
    (
        rf"grant\s+(?P<what>.+?)\s+on\s+(?P<object>.+?)\s+to\s+(?P<role>{_I})",
        lambda m, _e: f"revoke {m['what']} on {m['object']} from {m['role']}",
    ),
    (
        rf"revoke\s+grant\s+option\s+for\s+(?P<what>.+?)\s+on\s+(?P<object>.+?)\s+from\s+(?P<role>{_I})",
        lambda m, _e: f"grant {m['what']} on {m['object']} to {m['role']} with grant option",
    ),
    (
        rf"revoke\s+(?P<what>.+?)\s+on\s+(?P<object>.+?)\s+from\s+(?P<role>{_I})",
        lambda m, _e: f"grant {m['what']} on {m['object']} to {m['role']}",
    ),
)


def _named(sql: str, taken: dict[tuple[str, str], str]) -> str:
    """An index without a name gets the one that Postgres would give it, so that it can be dropped again; two get no name twice.

    Args:
        taken: (schema, name) -> the statement that makes it; grows.
    """
    index = re.fullmatch(
        rf"(?P<create>create\s+(?:unique\s+)?index\s+(?:concurrently\s+)?)(?P<name>{_I}\s+)??on\s+(?P<table>{_Q})\s*(?P<rest>.*)",
        sql,
        re.IGNORECASE | re.DOTALL,
    )
    if index is None:
        return sql
    schema, _, table = index["table"].rpartition(".")
    if index["name"]:
        wanted = _unquoted(index["name"].strip())
    elif plain := re.match(rf"\((?P<columns>{_I}(?:\s*,\s*{_I})*)\)", index["rest"]):
        columns = [_unquoted(c.strip()) for c in plain["columns"].split(",")]
        wanted = _clipped(re.sub(r"\W+", "_", "_".join([_unquoted(table), *columns])), 56) + "_idx"
    else:
        return sql
    named, n = f"{index['create']}{quote_ident(wanted)} on {index['table']} {index['rest']}", 0
    stem, name = _clipped(wanted, 60), wanted
    while taken.setdefault((schema, name), named) != named:
        n += 1
        name = f"{stem}_{n}" if index["name"] else f"{stem}{n}"
        named = f"{index['create']}{quote_ident(name)} on {index['table']} {index['rest']}"
    return named


def _clipped(name: str, most: int) -> str:
    """As many of a name's characters as its first bytes hold."""
    return name.encode()[:most].decode(errors="ignore")


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


# -- putting together ------------------------------------------------------------------------------------------

LOCK_TIMEOUT = "set local lock_timeout = '5s'"


@dataclass(slots=True)
class _Group:
    phase: Phase
    check: str
    remedies: list[Remedy] = field(default_factory=list)


def migrations(found: Sequence[Remedy], titles: Mapping[str, str]) -> list[Migration]:
    """One migration for a check and phase; a statement that can't run in a transaction stands alone.

    Args:
        titles: of the checks, by id.
    """
    groups: list[_Group] = []
    for remedy in found:
        alone = not all(s.tied for s in remedy.steps)
        last = groups[-1] if groups else None
        if alone or last is None or (last.phase, last.check) != (remedy.phase, remedy.check):
            groups.append(_Group(remedy.phase, remedy.check))
        groups[-1].remedies.append(remedy)
        if alone:
            groups.append(_Group(remedy.phase, ""))  # what comes next begins anew
    done: set[str] = set()
    made = [m for g in groups if g.remedies for m in _migrations(g, titles.get(g.check, ""), done)]
    return _with_own_names(made)


def _migrations(group: _Group, title: str, done: set[str]) -> list[Migration]:
    stem = re.sub(r"\W+", "_", f"mend {group.check.partition('/')[2]}").strip("_").lower()
    notes = list(dict.fromkeys(n for r in group.remedies for n in r.notes))
    mends = tuple((r.check, r.subject) for r in group.remedies)
    head = (f"{group.check}: {title}", f"Mends {count_of(len(mends), 'findings')}.")
    steps = []
    for step in (s for r in group.remedies for s in r.steps):
        if step.sql not in done:
            steps.append(step)
            done.add(step.sql)
    if all(s.tied for s in steps):
        return [_migration(stem, (*head, *notes), steps, mends, group.phase, tied=True)] if steps else []
    return [
        _migration(f"{stem}_{_slug(mends[0][1])}", (*head, *notes), [s], mends, group.phase, tied=s.tied) for s in steps
    ]


def _migration(
    name: str,
    notes: tuple[str, ...],
    steps: Sequence[Step],
    mends: tuple[tuple[str, str], ...],
    phase: Phase,
    *,
    tied: bool,
) -> Migration:
    lost = tuple(s.sql for s in steps if s.undo is None)
    up = [LOCK_TIMEOUT] if tied else []
    down = [LOCK_TIMEOUT] if tied else []
    set_up: tuple[str, ...] = ()
    for s in steps:
        if s.settings != set_up:
            up += s.settings
            set_up = s.settings
        up.append(s.sql)
    set_down: tuple[str, ...] = ()
    for s in reversed(steps):
        if s.undo:
            if s.settings != set_down:
                down += s.settings
                set_down = s.settings
            down.append(s.undo)
    undone = None if lost else tuple(down) if any(s.undo for s in steps) else ()
    if not tied:
        notes = (
            *notes,
            "Outside a transaction. Where it breaks off it may leave an invalid index: drop that, and run it again.",
        )
    if phase is Phase.MOVES:
        notes = (*notes, "It gives objects other names: audit again after it, for what was missing is looked at then.")
    return Migration(
        name=name[:80], notes=notes, up=tuple(up), down=undone, lost=lost, tied=tied, phase=phase, mends=mends
    )


def _slug(subject: str) -> str:
    return re.sub(r"\W+", "_", subject).strip("_").lower()[:40]


def _with_own_names(made: Sequence[Migration]) -> list[Migration]:
    seen: dict[str, int] = {}
    found = []
    for m in made:
        seen[m.name] = seen.get(m.name, 0) + 1
        found.append(m if seen[m.name] == 1 else replace(m, name=f"{m.name}_{seen[m.name]}"))
    return found
