"""Read a pack of checks: every .sql file and every Python module in the category folders of a package.

The SQL door. A file opens with a YAML header in a `/*--- ... ---*/` comment, then holds one query that runs unchanged
in psql. Its columns:

    subject       the object's name, quoted as Postgres would
    ok            whether it is healthy; null where that could not be seen
    objid         the oid that anchors the subject in the catalog (kinds with an anchor, see model.SUBJECT_KINDS)
    schemaid      optional: the oid of the anchor's schema, where the query has it at hand; else it is looked up
    remedy        optional: SQL that takes the finding away
    unseen, unlock  optional, where ok may be null: the reason's code, and the GRANT that would help
    any other     evidence; names that begin with _ are the frame's

`statement()` puts the query into a frame that leaves out, in this one place, what no check looks at: system and
temporary schemas, the policy's ignored ones, what an extension owns, and migration bookkeeping for the checks that
spare it; and lets the server count the healthy subjects, sending the findings alone. On a small database the frame's
planning is most of the work: there `listing()` has every row sent, and the same is left out and counted here.
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import pkgutil
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from readiness import yamldoc
from readiness.authoring import Answer, Awaited, Check, PackError, Unobservable, python_check
from readiness.facts import anchors as anchors_of
from readiness.facts.anchors import SCHEMA_OF, Anchors, always_quoted, text_array
from readiness.facts.lanes import Lanes
from readiness.facts.locks import held_relations
from readiness.facts.postgres import Asked, Row
from readiness.facts.server import Server, check_need
from readiness.facts.target import Target
from readiness.model import (
    BINARY,
    RATIO,
    SUBJECT_KINDS,
    Category,
    CheckInfo,
    Count,
    Credit,
    Effort,
    NotApplicable,
    Observation,
    Priority,
    Ramp,
    Reason,
    Scalar,
    Tiers,
    Unseen,
    settle,
    tally,
)

MOST_FINDINGS = 10_000  # sent for one check; the rest is counted
MOST_LEFT_OUT = 32  # schemas that are told apart one by one; a session with temporary tables has two
HEALTHY_SHOWN = 20  # healthy subjects that are listed with their evidence


class _RampForm(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    measure: str
    target: float
    limit: float


class _TiersForm(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    measure: str
    steps: tuple[tuple[float, float], ...]


class _CreditForm(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    ramp: _RampForm | None = None
    tiers: _TiersForm | None = None

    @model_validator(mode="after")
    def _one_form(self) -> _CreditForm:
        if (self.ramp is None) == (self.tiers is None):
            raise ValueError("give binary, ratio, one ramp or one list of tiers")
        return self


class Header(BaseModel):
    """The YAML at the top of a .sql check."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str
    subject: str
    universe: str
    priority: Priority
    effort: Effort
    credit: Literal["binary", "ratio"] | _CreditForm
    why: str
    mend: str
    needs: tuple[str, ...] = ()
    links: tuple[Annotated[str, Field(pattern=r"^https://")], ...] = ()
    spares_bookkeeping: bool = False
    valid_days: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _kind_is_known(self) -> Header:
        if self.subject not in SUBJECT_KINDS:
            raise ValueError(f"subject: {self.subject!r} is no kind of subject; known: {', '.join(SUBJECT_KINDS)}")
        return self

    @property
    def form(self) -> Credit:
        if isinstance(self.credit, str):
            return BINARY if self.credit == "binary" else RATIO
        if self.credit.ramp:
            return Ramp(**self.credit.ramp.model_dump())
        assert self.credit.tiers is not None
        return Tiers(measure=self.credit.tiers.measure, steps=self.credit.tiers.steps)


def load(package: str, *, name: str | None = None) -> list[Check]:
    """All checks of an importable package, sorted by id.

    Raises:
        PackError: a file doesn't keep to the contract.
    """
    found = [*sql_checks(files(package), pack=name or package), *python_checks(package, pack=name or package)]
    return in_order(found)


def in_order(checks: list[Check]) -> list[Check]:
    """Sorted by id.

    Raises:
        PackError: two checks have one id.
    """
    checks.sort(key=lambda c: c.info.id)
    for one, other in itertools.pairwise(checks):
        if one.info.id == other.info.id:
            raise PackError(
                f"two checks are named {one.info.id!r}, in {one.info.pack} and {other.info.pack}; rename one"
            )
    return checks


# -- the SQL door ----------------------------------------------------------------------------------------------

_FILE = re.compile(r"(?P<stem>[a-z][a-z0-9_]*)(?:@(?P<version>\d+))?\.sql")


def sql_checks(root: Traversable, *, pack: str) -> Iterator[Check]:
    """The checks in a folder's .sql files; nothing of the pack is executed."""
    for category in Category:
        folder = root / category.value
        if not folder.is_dir():
            continue
        queries: dict[str, str] = {}
        variants: dict[str, dict[int, str]] = {}
        for entry in folder.iterdir():
            if not entry.name.endswith(".sql"):
                continue
            found = _FILE.fullmatch(entry.name)
            if not found:
                raise PackError(f"{pack}: {category}/{entry.name}: names are like fk_without_index.sql or name@17.sql")
            try:
                text = entry.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise PackError(
                    f"{pack}: {category}/{entry.name}: can't be read as a text in UTF-8: {error}"
                ) from error
            if found["version"]:
                variants.setdefault(found["stem"], {})[int(found["version"])] = text
            else:
                queries[found["stem"]] = text
        if orphans := sorted(set(variants) - set(queries)):
            raise PackError(f"{pack}: {category}/{orphans[0]}@...sql: there is no {orphans[0]}.sql that it varies")
        for stem, text in queries.items():
            yield sql_check(category, stem, text, variants.get(stem, {}), pack=pack)


_HEADER = re.compile(r"\s*/\*---\n(?P<header>.*?)\n---\*/\s*(?P<query>.*)", re.DOTALL)

# A parameter's default stands in the query: nullif(<its setting>, ''), '<default>'
_PARAMETER = re.compile(
    r"nullif\s*\(\s*(?:pg_catalog\.)?current_setting\s*\(\s*'readiness\.(\w+)'\s*,\s*true\s*\)\s*,\s*''\s*\)"
    r"\s*,\s*'([^']*)'",
    re.IGNORECASE,
)
_ANY_SETTING = re.compile(r"current_setting\s*\(\s*'readiness\.(\w+)'", re.IGNORECASE)
LOCKED = "locked_relations"  # set by us, not by a policy's parameters
IGNORED = "ignored_schemas"  # likewise: for a query that pairs subjects, which leaves them out before the frame does
_IGNORED_SETTING = re.compile(
    rf"(?:pg_catalog\.)?current_setting\s*\(\s*'readiness\.{IGNORED}'\s*,\s*true\s*\)", re.IGNORECASE
)


@lru_cache(maxsize=1024)
def _header(text: str) -> Header:
    """Kept: a run wants each once to ask and once to print, and YAML is read slowly.

    Raises:
        ConfigError: it doesn't validate.
    """
    return yamldoc.validate(Header, yamldoc.parse(text, "header"))


def sql_check(category: Category, stem: str, text: str, variants: Mapping[int, str], *, pack: str) -> Check:
    """One check from its file's text.

    Raises:
        PackError: no header, a header that doesn't validate, or a parameter without a default.
    """
    where = f"{pack}: {category}/{stem}.sql"
    parts = _HEADER.fullmatch(text)
    if not parts:
        raise PackError(f"{where}: a .sql check opens with a /*--- ... ---*/ header")
    # Its place in the file is wanted where something is wrong with it alone.
    in_place = "\n" * text[: parts.start("header")].count("\n") + parts["header"]
    try:
        header = _header(parts["header"])
    except yamldoc.ConfigError:
        try:
            header = yamldoc.validate(Header, yamldoc.parse(in_place, where))
        except yamldoc.ConfigError as error:
            raise PackError(str(error)) from error
    query = bare(parts["query"])
    by_version = {version: bare(variant) for version, variant in sorted(variants.items())}
    parameters: dict[str, Scalar] = {}
    for text_of_one in (query, *by_version.values()):
        parameters |= _parameters(text_of_one, where)
        if SUBJECT_KINDS[header.subject] and not re.search(r"\bas\s+objid\b", text_of_one, re.IGNORECASE):
            raise PackError(
                f"{where}: subjects of kind {header.subject} need a column objid, the oid in {SUBJECT_KINDS[header.subject]}"
            )
    key: yamldoc.Key = ("credit",)
    try:
        form = header.form
        for at, need in enumerate(header.needs):
            key = ("needs", at)
            check_need(need)
    except ValueError as error:
        raise PackError(f"{yamldoc.parse(in_place, where).mark(key)}: {yamldoc.dotted(key)}: {error}") from error
    check_id = f"{category}/{stem.replace('_', '-')}"
    info = CheckInfo(
        id=check_id,
        title=" ".join(header.title.split()),
        category=category,
        priority=header.priority,
        effort=header.effort,
        credit=form,
        subject_kind=header.subject,
        universe=header.universe,
        why=header.why.strip(),
        mend=header.mend.strip(),
        needs=header.needs,
        links=header.links,
        parameters=parameters,
        valid_days=header.valid_days,
        pack=pack,
        sha256=hashlib.sha256("\0".join([text, *variants.values()]).encode()).hexdigest(),
    )

    def query_for(major: int) -> str:
        return next((by_version[v] for v in sorted(by_version, reverse=True) if v <= major), query)

    def ask(lanes: Lanes, server: Server, target: Target, anchors: Anchors, **given: Scalar) -> Awaited:
        settings = {f"readiness.{name}": str(value) for name, value in given.items()}
        return _look(lanes, query_for(server.major), header, info, settings, target, anchors)

    return Check(
        info=info,
        facts={"lanes": Lanes, "server": Server, "target": Target, "anchors": Anchors},
        ask=ask,
        source=text.strip(),
        sends=True,
        variants=by_version,
    )


def _parameters(query: str, where: str) -> dict[str, Scalar]:
    found = {name: _typed(default) for name, default in _PARAMETER.findall(query) if name not in (LOCKED, IGNORED)}
    for name in _ANY_SETTING.findall(query):
        if name not in (*found, LOCKED, IGNORED):
            raise PackError(
                f"{where}: readiness.{name} has no default; write "
                f"coalesce(nullif(current_setting('readiness.{name}', true), ''), 'default')"
            )
    return found


# What may stand behind a query, and what can't be taken for it: words, and literals of every kind.
_TOKEN = re.compile(
    r"""(?P<behind>\s+|;|--[^\n]*|/\*.*?\*/)|e'(?:[^'\\]|\\.|'')*'|\w+|'[^']*'|"[^"]*"|(?P<quote>\$\w*\$).*?(?P=quote)|.""",
    re.DOTALL | re.IGNORECASE,
)


def bare(query: str) -> str:
    """A query as it can stand in a frame: no semicolon and no comment behind it."""
    ended = query.strip()
    while not ended.endswith("*/") and "--" not in ended.rpartition("\n")[2]:  # no comment can be at the end
        if not ended.endswith(";"):
            return ended
        ended = ended[:-1].rstrip()
    end = max((token.end() for token in _TOKEN.finditer(query) if not token["behind"]), default=0)
    return query[:end].strip()


def _typed(default: str) -> Scalar:
    """A default in a query is text; what it is shows from its form."""
    if default in ("true", "false"):
        return default == "true"
    try:
        return int(default)
    except ValueError:
        try:
            return float(default)
        except ValueError:
            return default


def statement(
    query: str,
    header: Header,
    ignored_schemas: Sequence[str] = (),
    owned_tables: Collection[str] = (),
    *,
    left_out_schemas: Sequence[int] | None = None,
) -> str:
    """The complete statement, as it runs. See the module's docstring.

    Args:
        left_out_schemas: their oids, where they were looked up; else they are looked up each time, which is dearer.
        owned_tables: always quoted; tables that a service owns alone, counted by themselves beside their schema.
    """
    anchor = SUBJECT_KINDS[header.subject]
    observed = _observed(query, ignored_schemas)
    if anchor is None:
        subjects = f"select o.subject::text as _scope, o.*\n    from {observed}"
        scopes = "select c.*, c._scope as _counted, false as _adrift from counted as c"
    else:
        # Where a query doesn't tell the schema, its rows' anchors do.
        told = _SCHEMAID.search(query) is not None
        schemaid = "o.schemaid" if told else f"anchor.{SCHEMA_OF[anchor]}"
        # Hashes of the few that are left out, not a look for each subject.
        left_out = [
            _outside(schemaid, left_out_schemas)
            if left_out_schemas is not None and len(left_out_schemas) <= MOST_LEFT_OUT
            else f"{schemaid} not in (select ns.oid from pg_catalog.pg_namespace as ns "
            f"where {anchors_of.left_out(ignored_schemas)})",
            f"o.objid not in ({anchors_of.members(anchor)})",
        ]
        if header.spares_bookkeeping and anchor == "pg_class":
            left_out.append(f"o.objid not in ({anchors_of.bookkeeping()})")
        # Each by itself, so that the first, of a column alone, can be asked where the rows are read: before they cost more.
        conditions = "\n        and ".join(f"({schemaid} is null or {condition})" for condition in left_out)
        # Counted by the oid of the schema, or by that of a table that a service owns alone, below zero; named at last.
        schema = always_quoted("ns.nspname")
        group = f"{schemaid}::pg_catalog.int8"
        scopes = f"""select c.*, {schema} as _counted, c._scope = 0 as _adrift
    from counted as c
    left join pg_catalog.pg_namespace as ns on c._scope::pg_catalog.oid = ns.oid"""
        if owned_tables and anchor == "pg_class":
            table = f"{schema} || '.' || {always_quoted('t.relname')}"
            owned = f"""select t.oid
            from pg_catalog.pg_class as t
            inner join pg_catalog.pg_namespace as ns on t.relnamespace = ns.oid
            where {table} = any ({text_array(sorted(owned_tables))})"""
            group = f"case when o.objid in ({owned}) then -o.objid::pg_catalog.int8 else {group} end"
            scopes = f"""select
        c.*, case when c._scope < 0 then {table} else {schema} end as _counted, c._scope = 0 as _adrift
    from counted as c
    left join pg_catalog.pg_class as t on case when c._scope < 0 then (-c._scope)::pg_catalog.oid end = t.oid
    left join pg_catalog.pg_namespace as ns
        on case when c._scope < 0 then t.relnamespace else c._scope::pg_catalog.oid end = ns.oid"""
        # A row whose anchor is in no such catalog is the check's own fault; it must not fall out of sight.
        looked_up = "" if told else f"\n    left join pg_catalog.{anchor} as anchor on o.objid = anchor.oid"
        # The scope stands first: what lies behind texts of a row is reached through them.
        subjects = f"""select case when {schemaid} is null then 0 else {group} end as _scope, o.*
    from {observed}{looked_up}
    where
        {conditions}"""
    # Kept once, and read from there: healthy subjects, which are most, are counted and never sorted.
    return f"""with judged as materialized (
    {subjects}
),
found as materialized (
    select j.*
    from judged as j
    where j.ok is not true
    order by j.subject::text collate "C"
    limit {MOST_FINDINGS}
),
shown as (
    -- no healthy subject that is listed comes behind this one, which spares the others their way to a sort
    select pg_catalog.max(first.subject collate "C") as subject
    from (
        select sampled.subject
        from (select j.subject::text from judged as j where j.ok limit {HEALTHY_SHOWN * 50}) as sampled
        order by sampled.subject collate "C"
        limit {HEALTHY_SHOWN}
    ) as first
),
listed as (
    select f.* from found as f
    union all
    (
        select j.*
        from judged as j
        where j.ok and j.subject::text collate "C" <= (select s.subject from shown as s)
        order by j.subject::text collate "C"
        limit greatest(0, {HEALTHY_SHOWN} - (select pg_catalog.count(*) from found))
    )
),
counted as (
    select
        j._scope,
        pg_catalog.count(j.ok) as _examined,
        pg_catalog.count(*) filter (where j.ok) as _healthy,
        pg_catalog.count(*) - pg_catalog.count(j.ok) as _unseen,
        pg_catalog.count(*) > pg_catalog.count(j.subject) as _nameless
    from judged as j
    group by j._scope
),
named as (
    {scopes}
)
select
    c._examined,
    c._healthy,
    c._unseen,
    c._adrift,
    c._nameless,
    -- by their hashes: numbers are sorted much sooner than texts, where nothing else is in the sort, which the fence sees to
    (
        select pg_catalog.count(distinct h.hash)
        from (
            select pg_catalog.hashtextextended(j.subject::text, 0) as hash
            from judged as j
            offset 0
        ) as h
    ) as _distinct,
    c._counted,
    l.*
from named as c
-- what is listed is counted too; a full join is never a loop in a loop
full join listed as l on c._scope = l._scope"""


_SCHEMAID = re.compile(r"\bas\s+schemaid\b", re.IGNORECASE)
_ORDERED = re.compile(r"\norder by subject\Z")


def listing(
    query: str, header: Header, ignored_schemas: Sequence[str] = (), left_out_schemas: Sequence[int] | None = None
) -> str:
    """The statement that sends every row, for a small database: those that are few, and one more."""
    anchor = SUBJECT_KINDS[header.subject]
    columns, looked_up, where = ["o.*", "o.ok is true as _healthy", "o.subject is null as _nameless"], "", ""
    if anchor is not None:
        told = _SCHEMAID.search(query) is not None
        schemaid = "o.schemaid" if told else f"anchor.{SCHEMA_OF[anchor]}"
        columns.append(f"{schemaid} as _schemaid")
        looked_up = "" if told else f"\nleft join pg_catalog.{anchor} as anchor on o.objid = anchor.oid"
        where = f"\nwhere {schemaid} is null or {_outside(schemaid, left_out_schemas or ())}"
    observed = _observed(query, ignored_schemas)
    return f"select {', '.join(columns)}\nfrom {observed}{looked_up}{where}\nlimit {anchors_of.MOST + 1}"


def _outside(schemaid: str, left_out_schemas: Sequence[int]) -> str:
    return f"{schemaid} <> all ('{{{','.join(map(str, left_out_schemas))}}}'::pg_catalog.oid[])"


def _observed(query: str, ignored_schemas: Sequence[str]) -> str:
    if ignored_schemas:
        named = f"{text_array(ignored_schemas)}::pg_catalog.text"
        query = _IGNORED_SETTING.sub(lambda _: named, query)
    # Findings are put in order afterwards; sorting all subjects before would be dear.
    return f"(\n{_ORDERED.sub('', query)}\n    ) as o"


def for_psql(
    text: str, ignored_schemas: tuple[str, ...] = (), variants: Mapping[int, str] = MappingProxyType({})
) -> str:
    """The complete statement of a .sql check's file, ready for psql, which chooses where versions differ."""
    parts = _HEADER.fullmatch(text)
    if not parts:
        raise PackError("a .sql check opens with a /*--- ... ---*/ header")
    header = _header(parts["header"])

    def framed(query: str) -> str:
        in_order = 'order by l.ok is true, l.subject::text collate "C"'
        return f"{statement(query, header, ignored_schemas)}\n{in_order};"

    shown = framed(bare(parts["query"]))
    for major, query in sorted(variants.items()):
        shown = f"""\
select current_setting('server_version_num')::int >= {major}0000 as from_{major} \\gset
\\if :from_{major}
{framed(query)}
\\else
{shown}
\\endif"""
    return shown


_OWN = frozenset(["subject", "ok", "objid", "schemaid", "remedy", "subject_kind", "unseen", "unlock"])
_FRAMES = frozenset(["_scope", "_adrift", "_examined", "_healthy", "_unseen", "_distinct", "_nameless", "_counted"])
_LISTINGS = frozenset(["_healthy", "_nameless", "_schemaid"])


# A merge join of catalogs is no better than the others, and ways to make one are a tenth of what there is to plan.
_PLANNED_SOON = {"enable_mergejoin": "off"}


def _look(
    lanes: Lanes,
    query: str,
    header: Header,
    info: CheckInfo,
    settings: dict[str, str],
    target: Target,
    anchors: Anchors,
) -> Awaited:
    ignored_schemas = target.ignored_schemas

    def framed(settings: Mapping[str, str]) -> Asked:
        whole = statement(
            query, header, ignored_schemas, target.owned_tables, left_out_schemas=anchors.left_out_schemas
        )
        return lanes.free().ask(whole, marker=info.id, settings={**settings, **_PLANNED_SOON}, at_once=True)

    def listed(settings: Mapping[str, str]) -> Asked:
        every = listing(query, header, ignored_schemas, anchors.left_out_schemas)
        return lanes.free().ask(every, marker=info.id, settings={**settings, **_PLANNED_SOON}, at_once=True)

    def read(asked: Asked, settings: Mapping[str, str]) -> tuple[list[Observation | Unseen], dict[str, Count]]:
        if anchors.few:
            if (told_apart := _told_apart(asked.rows(), header, anchors)) is not None:
                return told_apart
            asked = framed(settings)
        return _counted(asked.rows(), info, ignored_schemas)

    ask = listed if anchors.few else framed

    def answer() -> Answer:
        locked: list[Row] = []
        try:
            subjects, counts = read(asked, settings)
        except Unobservable as unseen:
            if unseen.reason is not Reason.LOCKED or LOCKED not in query:
                raise
            # A running DDL statement stands in the way of one relation: look at all the others, and name it.
            locked = held_relations(lanes.own, ignored_schemas, marker=info.id)
            oids = "{" + ",".join(str(row["oid"]) for row in locked) + "}"
            spared = {**settings, f"readiness.{LOCKED}": oids}
            subjects, counts = read(ask(spared), spared)
        return _settled(subjects, counts, locked, info, target)

    asked = ask(settings)
    return Awaited(asked.receive, answer, lambda: asked.here)


def _settled(
    subjects: Sequence[Observation | Unseen],
    counts: dict[str, Count],
    locked: Sequence[Row],
    info: CheckInfo,
    target: Target,
) -> Answer:
    observations = [s for s in subjects if isinstance(s, Observation)]
    unseen_subjects = [s for s in subjects if isinstance(s, Unseen)]
    by_lock = [
        Unseen(
            subject=row["subject"], reason=Reason.LOCKED, detail="a running DDL statement holds a lock", kind="table"
        )
        for row in locked
        if row["counts"]
    ]
    for scope, count in tally([], by_lock, info.subject_kind, target.owned_tables).items():
        before = counts.get(scope, Count(examined=0, ok=0))
        counts[scope] = replace(before, unseen=before.unseen + count.unseen)
    if not counts:
        left_out = f" (ignored: {', '.join(target.ignored_schemas)})" if target.ignored_schemas else ""
        return NotApplicable(f"0 {info.universe}{left_out}")
    return settle(observations, [*unseen_subjects, *by_lock], counts)


def _counted(
    rows: Sequence[Row], info: CheckInfo, ignored_schemas: Sequence[str]
) -> tuple[list[Observation | Unseen], dict[str, Count]]:
    """What the frame listed, and what it counted, by scope.

    Raises:
        ValueError: the check contradicts itself.
    """
    by_scope = {row["_counted"]: row for row in rows}  # the same stands in every row of a scope
    counts = {
        scope: Count(examined=row["_examined"], ok=row["_healthy"], unseen=row["_unseen"])
        for scope, row in by_scope.items()
    }
    subjects = sum(count.examined + count.unseen for count in counts.values())
    for row in by_scope.values():
        _see_that_it_holds(
            info.subject_kind,
            adrift=row["_adrift"],
            nameless=row["_nameless"],
            twice=row["_distinct"] < subjects,
        )
    if SUBJECT_KINDS[info.subject_kind] is not None:
        counts = {scope: count for scope, count in counts.items() if not anchors_of.is_left_out(scope, ignored_schemas)}
        if len(counts) < len(by_scope):
            rows = [row for row in rows if row["_counted"] in counts]
    # In order already, as a rule: a join promises nothing, and to have the server sort them once more would be dear.
    listed = sorted((row for row in rows if row["subject"] is not None), key=_place)
    return _subjects(listed, _FRAMES), counts


def _place(row: Row) -> tuple[bool, str]:
    """Findings first, each by its name."""
    return row["ok"] is True, row["subject"]


def _told_apart(
    rows: Sequence[Row], header: Header, anchors: Anchors
) -> tuple[list[Observation | Unseen], dict[str, Count]] | None:
    """The same of rows that are all there; None where there are too many, or one stands on what wasn't there before.

    Raises:
        ValueError: the check contradicts itself.
    """
    if len(rows) > anchors_of.MOST:
        return None
    anchor = SUBJECT_KINDS[header.subject]
    scopes: list[tuple[str, Row]] = []
    adrift = False
    for row in rows:
        if anchor is None:
            scopes.append((str(row["subject"]), row))
            continue
        schemaid, objid = row["_schemaid"], row["objid"]
        if schemaid is None:
            adrift = True
        elif objid in anchors.members[anchor] or (header.spares_bookkeeping and objid in anchors.bookkeeping):
            continue
        elif objid not in anchors.known[anchor] or schemaid not in anchors.schemas:
            return None
        else:
            owned = anchors.owned.get(objid) if anchor == "pg_class" else None
            scopes.append((owned or anchors.schemas[schemaid], row))
    subjects = {row["subject"] for _, row in scopes}
    _see_that_it_holds(
        header.subject,
        adrift=adrift,
        nameless=any(row["_nameless"] for _, row in scopes),
        twice=len(subjects) < len(scopes),
    )
    verdicts: dict[str, list[bool | None]] = {}
    for scope, row in scopes:
        verdicts.setdefault(scope, []).append(row["ok"])
    counts = {
        scope: Count(examined=len(oks) - oks.count(None), ok=oks.count(True), unseen=oks.count(None))
        for scope, oks in verdicts.items()
    }
    in_order = sorted((row for _, row in scopes), key=_place)
    findings = [row for row in in_order if not row["_healthy"]][:MOST_FINDINGS]
    healthy = [row for row in in_order if row["_healthy"]][: max(0, HEALTHY_SHOWN - len(findings))]
    return _subjects([*findings, *healthy], _LISTINGS), counts


def _see_that_it_holds(kind: str, *, adrift: bool, nameless: bool, twice: bool) -> None:
    if adrift:
        raise ValueError(f"a subject's objid is not in {SUBJECT_KINDS[kind]}")
    if nameless:
        raise ValueError("a subject is null")
    if twice:
        raise ValueError("a subject stands twice")


def _subjects(rows: Sequence[Row], framing: Collection[str]) -> list[Observation | Unseen]:
    """The subjects that rows tell of.

    Raises:
        ValueError: a column's name is the frame's.
    """
    told = [name for name in (rows[0] if rows else ()) if name not in _OWN and name not in framing]
    if odd := [name for name in told if name.startswith("_")]:
        raise ValueError(f"a column is named {odd[0]!r}; what begins with _ is the frame's")
    return [_subject(row, told) for row in rows]


def _subject(row: Row, told: Collection[str]) -> Observation | Unseen:
    evidence = {name: row[name] for name in told}
    if row["ok"] is None:
        reason = Reason(row.get("unseen") or Reason.NO_PERMISSION)
        return Unseen(
            subject=str(row["subject"]),
            reason=reason,
            detail="the role may not see it" if reason is Reason.NO_PERMISSION else "it can't be told from here",
            unlock=row.get("unlock"),
            kind=row.get("subject_kind"),
            evidence=evidence,
        )
    return Observation(
        subject=str(row["subject"]),
        ok=row["ok"],
        evidence=evidence,
        remedy=None if row["ok"] else row.get("remedy"),
        kind=row.get("subject_kind"),
    )


# -- the Python door -------------------------------------------------------------------------------------------


def python_checks(package: str, *, pack: str) -> Iterator[Check]:
    """The checks in a package's modules, one a module; a module whose name begins with an underscore has none."""
    for category in Category:
        try:
            folder = importlib.import_module(f"{package}.{category.value}")
        except ModuleNotFoundError as error:
            if error.name != f"{package}.{category.value}":
                raise
            continue
        for found in pkgutil.iter_modules(folder.__path__):
            if not found.name.startswith("_"):
                yield python_check(importlib.import_module(f"{folder.__name__}.{found.name}"), pack=pack)
