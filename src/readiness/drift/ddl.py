"""The DDL that makes one schema like another. What no statement can close (the order of columns) stands there as a comment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from readiness.facts.fingerprint import KINDS, SchemaFingerprint, SchemaObject, Value, in_order
from readiness.model import quote_literal

Objects = Mapping[tuple[str, str], SchemaObject]


def closing(one: SchemaFingerprint, other: SchemaFingerprint) -> list[str]:
    """Statements that make the first schema like the second, each whole with its semicolon, in an order that works.

    Read them before you run them: a dropped table or column takes its rows along, and a changed type may want a USING of
    its own.
    """
    first = {(o.kind, o.name): o for o in one.objects}
    second = {(o.kind, o.name): o for o in other.objects}
    script = _Script(first, second)
    rewritten = {
        o.parent
        for o in first.values()
        if o.kind == "column" and (n := second.get((o.kind, o.name))) and _differs("type", "collation")(o, n)
    } | {o.parent for o in first.values() if o.kind == "column" and (o.kind, o.name) not in second}
    for o in _made_in_order(first):
        new = second.get((o.kind, o.name))
        if new is None:
            continue
        reads = o.kind == "view" and any(t is not None and t in str(o.properties["definition"]) for t in rewritten)
        if reads or (new.properties != o.properties and _REMADE.get(o.kind, _never)(o, new)):
            script.remade.add((o.kind, o.name))
            if o.kind == "view":
                rewritten.add(o.name)
        elif ("view", o.parent) in script.remade:
            script.remade.add((o.kind, o.name))
    for o in reversed(_made_in_order(first)):
        if (o.kind, o.name) in script.remade or (o.kind, o.name) not in second:
            script.drop(o)
    for o in _made_in_order(second):
        old = first.get((o.kind, o.name))
        if old is None or (o.kind, o.name) in script.remade:
            script.create(o)
        elif old.properties != o.properties:
            script.alter(old, o)
    bodies = ["set check_function_bodies = off;"] if any(o.kind == "function" for o in second.values()) else []
    done = [*script.drops, *script.rest, *script.last]
    return [*bodies, *done] if done else []


def _made_in_order(objects: Objects) -> list[SchemaObject]:
    """As they can be made: a view behind those that it reads, a function that names a table's or view's row type behind both."""
    order = in_order(objects.values())
    relations = [o.name for o in order if o.kind in ("table", "view")]
    late = {
        id(o)
        for o in order
        if o.kind == "function" and any(r in f"{o.name} {o.properties.get('returns')}" for r in relations)
    }
    placed: list[SchemaObject] = []
    views = {o.name: o for o in order if o.kind == "view"}
    seen: set[str] = set()

    def place(view: SchemaObject) -> None:
        if view.name in seen:
            return
        seen.add(view.name)
        for name, other in views.items():
            if name in str(view.properties["definition"]):
                place(other)
        placed.append(view)

    for o in order:
        if o.kind == "view":
            place(o)
        elif id(o) not in late:
            placed.append(o)
    last_view = max((at for at, o in enumerate(placed) if o.kind in ("table", "column", "view")), default=-1)
    placed[last_view + 1 : last_view + 1] = [o for o in order if id(o) in late]
    return placed


def _never(_old: SchemaObject, _new: SchemaObject) -> bool:
    return False


def _differs(*names: str) -> Callable[[SchemaObject, SchemaObject], bool]:
    return lambda old, new: any(old.properties.get(n) != new.properties.get(n) for n in names)


def _view_remade(old: SchemaObject, new: SchemaObject) -> bool:
    return _differs("definition", "materialized")(old, new)


# What can't be altered where these differ, and is dropped and made again.
_REMADE: Mapping[str, Callable[[SchemaObject, SchemaObject], bool]] = {
    "index": lambda o, n: "constraint" not in o.properties and _differs("definition")(o, n),
    "constraint": _differs("definition"),
    "policy": _differs("command", "restrictive"),
    "trigger": _differs("definition"),
    "rule": _differs("definition"),
    "view": _view_remade,
    "statistics": _differs("definition"),
    "function": lambda o, n: "aggregate" in (o.properties["form"], n.properties["form"]) or _differs("returns")(o, n),
    "event trigger": _differs("event", "function", "tags"),
    "extension": _differs("schema"),
}

# What is dropped with its parent, or comes with it, and needs no statement of its own then.
_SQL_KIND: Mapping[str, str] = {"statistics": "statistics", "event trigger": "event trigger"}


@dataclass(slots=True)
class _Script:
    first: Objects
    second: Objects
    drops: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)
    remade: set[tuple[str, str]] = field(default_factory=set)

    # -- drop --------------------------------------------------------------------------------------------------

    def drop(self, o: SchemaObject) -> None:
        p = o.properties
        if (
            self._parent_is_dropped(o)
            or p.get("inherited")
            or (o.kind == "index" and ("constraint" in p or "partition" in p))
        ):
            return
        match o.kind:
            case "column":
                if self._is_table(o.parent):
                    self.drops.append(f"alter table {o.parent} drop column {_last(o)};")
                elif ("type", o.parent) in self.first:
                    self.drops.append(f"alter type {o.parent} drop attribute {_last(o)};")
            case "constraint":
                what = "domain" if p.get("domain") else "table"
                self.drops.append(f"alter {what} {o.parent} drop constraint {_last(o)};")
            case "policy" | "trigger" | "rule":
                self.drops.append(f"drop {o.kind} {_last(o)} on {o.parent};")
            case "sequence":
                if not p.get("identity"):
                    self.drops.append(f"drop sequence if exists {o.name};")
            case "function":
                form = str(p["form"]).replace("window", "function")
                self.drops.append(f"drop {form} {o.name};")
            case "type":
                self.drops.append(f"drop {'domain' if p['form'] == 'domain' else 'type'} {o.name};")
            case "view":
                self.drops.append(f"drop {'materialized ' if p.get('materialized') else ''}view {o.name};")
            case "table":
                self.drops.append(f"drop {'foreign ' if p['form'] == 'foreign' else ''}table {o.name};")
            case "user mapping":
                self.drops.append(_by_hand(o, "is to be dropped"))
            case (
                "schema"
                | "extension"
                | "index"
                | "statistics"
                | "event trigger"
                | "publication"
                | "server"
                | "language"
            ):
                self.drops.append(f"drop {o.kind} {o.name};")
            case "foreign data wrapper" | "collation" | "conversion" | "cast" | "operator" | "operator class":
                self.drops.append(f"drop {o.kind} {f'({o.name})' if o.kind == 'cast' else o.name};")
            case "operator family" | "text search parser" | "text search template":
                self.drops.append(f"drop {o.kind} {o.name};")
            case "text search dictionary" | "text search configuration" | "access method":
                self.drops.append(f"drop {o.kind} {o.name};")
            case _:
                self.drops.append(_by_hand(o, "is to be dropped"))

    def _parent_is_dropped(self, o: SchemaObject) -> bool:
        parent = o.parent
        return parent is not None and any(
            (kind, parent) in self.first and ((kind, parent) not in self.second or (kind, parent) in self.remade)
            for kind in ("table", "view", "type")
        )

    def _is_table(self, name: str | None) -> bool:
        return ("table", name) in self.first or ("table", name) in self.second

    # -- create ------------------------------------------------------------------------------------------------

    def create(self, o: SchemaObject) -> None:
        p, out = o.properties, self.rest
        if p.get("inherited") and o.kind != "column":
            return
        match o.kind:
            case "schema":
                out.append(f"create schema {o.name};")
            case "extension":
                out.append(
                    f"create extension {o.name} schema {p['schema']} version {quote_literal(str(p['version']))};"
                )
            case "type":
                self._create_type(o)
            case "sequence":
                if p.get("identity"):
                    return
                kept = f"{'unlogged ' if p.get('unlogged') else ''}sequence {o.name} as {p['type']} {_sequence(p)}"
                out.append(f"create {kept};")
                if "owned by" in p:
                    self.last.append(f"alter sequence {o.name} owned by {p['owned by']};")
            case "function":
                if p["form"] == "aggregate":
                    out.append(_by_hand(o, "is to be made"))
                    return
                out.append(f"{str(p['definition']).rstrip()};")
            case "table":
                self._create_table(o)
            case "column":
                self._create_column(o)
            case "index":
                if "constraint" not in p and "partition" not in p:
                    out.append(f"{p['definition']};")
            case "constraint":
                what = "domain" if p.get("domain") else "table"
                statement = f"alter {what} {o.parent} add constraint {_last(o)} {p['definition']};"
                # foreign keys last: their tables and keys must be there
                (self.last if p["type"] == "f" else out).append(statement)
            case "statistics" | "rule" | "trigger":
                out.append(f"{str(p['definition']).rstrip(';')};")
            case "view":
                self._create_view(o)
            case "policy":
                out.append(_policy(o, "create"))
            case "event trigger":
                tags = p.get("tags")
                when = f" when tag in ({', '.join(quote_literal(t) for t in tags)})" if isinstance(tags, list) else ""
                out.append(f"create event trigger {o.name} on {p['event']}{when} execute function {p['function']};")
            case _:
                out.append(_by_hand(o, "is to be made"))
                return
        self._finish(None, o)

    def _create_type(self, o: SchemaObject) -> None:
        p = o.properties
        match p["form"]:
            case "enum":
                labels = p.get("labels", [])
                assert isinstance(labels, list)
                self.rest.append(f"create type {o.name} as enum ({', '.join(quote_literal(x) for x in labels)});")
            case "domain":
                more = f" collate {p['collation']}" if "collation" in p else ""
                more += f" default {p['default']}" if "default" in p else ""
                self.rest.append(
                    f"create domain {o.name} as {p['base']}{more}{' not null' if p.get('not null') else ''};"
                )
            case "composite":
                columns = ", ".join(f"{_last(c)} {c.properties['type']}" for c in self._columns(o))
                self.rest.append(f"create type {o.name} as ({columns});")
            case "range":
                more = f", subtype_diff = {p['difference']}" if "difference" in p else ""
                self.rest.append(f"create type {o.name} as range (subtype = {p['subtype']}{more});")
            case _:
                self.rest.append(_by_hand(o, "is to be made"))

    def _columns(self, o: SchemaObject) -> list[SchemaObject]:
        return [c for c in self.second.values() if c.kind == "column" and c.parent == o.name]

    def _create_table(self, o: SchemaObject) -> None:
        p = o.properties
        unlogged = "unlogged " if p.get("unlogged") else ""
        options = p.get("options")
        tail = f" with ({', '.join(options)})" if isinstance(options, list) else ""
        tail += f" tablespace {p['tablespace']}" if "tablespace" in p else ""
        by = f" partition by {p['partitioned by']}" if "partitioned by" in p else ""
        if p["form"] == "foreign":
            self.rest.append(_by_hand(o, "is to be made"))
        elif "partition" in p:
            self.rest.append(f"create {unlogged}table {o.name} partition of {o.parent} {p['partition']}{by}{tail};")
        else:
            own = [c for c in in_order(self._columns(o)) if not c.properties.get("inherited")]
            columns = ",".join(f"\n    {_last(c)} {_column(c.properties)}" for c in own)
            parents = p.get("inherits")
            inherits = f" inherits ({', '.join(parents)})" if isinstance(parents, list) else ""
            using = f" using {p['access method']}" if "access method" in p else ""
            self.rest.append(f"create {unlogged}table {o.name} ({columns}\n){inherits}{by}{using}{tail};")
        if p.get("row security"):
            self.rest.append(f"alter table {o.name} enable row level security;")
        if p.get("row security forced"):
            self.rest.append(f"alter table {o.name} force row level security;")
        _identity = {"full": "full", "nothing": "nothing"}.get(str(p.get("replica identity")))
        if _identity:
            self.rest.append(f"alter table {o.name} replica identity {_identity};")

    def _create_column(self, o: SchemaObject) -> None:
        p = o.properties
        new_parent = any((k, o.parent) in self.second and (k, o.parent) not in self.first for k in ("table", "type"))
        if self._is_table(o.parent):
            if not new_parent and not p.get("inherited"):
                self.rest.append(f"alter table {o.parent} add column {_last(o)} {_column(p)};")
            for clause in _column_settings({}, p):
                self.rest.append(f"alter table {o.parent} alter column {_last(o)} {clause};")
        elif ("type", o.parent) in self.second and not new_parent:
            self.rest.append(f"alter type {o.parent} add attribute {_last(o)} {p['type']};")

    def _create_view(self, o: SchemaObject) -> None:
        p = o.properties
        options = p.get("options")
        within = f" with ({', '.join(options)})" if isinstance(options, list) else ""
        body = str(p["definition"]).strip().rstrip(";")
        if p.get("materialized"):
            filled = " with no data" if p.get("not populated") else ""
            self.rest.append(f"create materialized view {o.name}{within} as\n{body}{filled};")
        else:
            self.rest.append(f"create view {o.name}{within} as\n{body};")

    # -- alter -------------------------------------------------------------------------------------------------

    def alter(self, old: SchemaObject, new: SchemaObject) -> None:
        a, b, out = old.properties, new.properties, self.rest
        if new.properties.get("inherited"):
            return
        changed = {n for n in {**a, **b} if a.get(n) != b.get(n)} - {"owner", "rights", "comment"}
        match new.kind:
            case "column" if self._is_table(new.parent):
                self._alter_column(old, new, changed)
            case "column" if ("type", new.parent) in self.second and "type" in changed:
                out.append(f"alter type {new.parent} alter attribute {_last(new)} type {b['type']};")
            case "column":
                pass  # a view's: it is made again with the view
            case "type" if b["form"] == "enum" and changed == {"labels"}:
                self._alter_enum(old, new)
            case "type" if b["form"] == "domain" and changed <= {"default", "not null"}:
                if "default" in changed:
                    out.append(f"alter domain {new.name} {_set_or_drop('default', b)};")
                if "not null" in changed:
                    out.append(f"alter domain {new.name} {'set' if b.get('not null') else 'drop'} not null;")
            case "sequence":
                self._alter_sequence(new, changed)
            case "function" if changed:
                out.append(f"{str(b['definition']).rstrip()};")
            case "table":
                self._alter_table(new, a, changed)
            case "extension" if changed:
                out.append(f"alter extension {new.name} update to {quote_literal(str(b['version']))};")
            case "policy" if changed:
                out.append(_policy(new, "alter"))
            case "trigger" if changed == {"fires"}:
                word = {"never": "disable", "on replicas": "enable replica", "always": "enable always"}
                out.append(f"alter table {new.parent} {word.get(str(b.get('fires')), 'enable')} trigger {_last(new)};")
            case "index" if changed:
                if "invalid" in changed or "not ready" in changed:
                    out.append(f"reindex index {new.name};" if "invalid" in a else _by_hand(new, "is invalid there"))
                if "clustered" in changed and b.get("clustered"):
                    out.append(f"alter table {new.parent} cluster on {new.name.rpartition('.')[2]};")
            case "view" if changed == {"options"}:
                out.append(_options("view", new.name, a, b))
            case _ if changed:
                out.append(_by_hand(new, f"differs in {', '.join(sorted(changed))}"))
        self._finish(old, new)

    def _alter_column(self, old: SchemaObject, new: SchemaObject, changed: set[str]) -> None:
        a, b = old.properties, new.properties
        of = f"alter table {new.parent} alter column {_last(new)}"
        if changed & {"type", "collation"}:
            if "default" in a:
                self.rest.append(f"{of} drop default;")
            collate = f" collate {b['collation']}" if "collation" in b else ""
            self.rest.append(f"{of} type {b['type']}{collate} using {_last(new)}::{b['type']};")
            changed = changed | ({"default"} if "default" in b else set())
        if "default" in changed and "generated" not in b:
            self.rest.append(f"{of} {_set_or_drop('default', b)};")
        if "generated" in changed:
            if "generated" in b:
                self.rest.append(
                    f"{of} set expression as ({b['generated']});"
                    if "generated" in a
                    else _by_hand(new, "is generated there")
                )
            else:
                self.rest.append(f"{of} drop expression;")
        if "not null" in changed:
            self.rest.append(f"{of} {'set' if b.get('not null') else 'drop'} not null;")
        if "identity" in changed:
            match a.get("identity"), b.get("identity"):
                case None, how:
                    self.rest.append(f"{of} add generated {how} as identity;")
                case _, None:
                    self.rest.append(f"{of} drop identity;")
                case _, how:
                    self.rest.append(f"{of} set generated {how};")
        self.rest += [f"{of} {clause};" for clause in _column_settings(a, b)]
        if "position" in changed:
            self.rest.append(
                f"-- {new.name} stands at position {a['position']} instead of {b['position']}: the order of columns can't be "
                f"altered, only a new table has another"
            )

    def _alter_enum(self, old: SchemaObject, new: SchemaObject) -> None:
        a, b = old.properties["labels"], new.properties["labels"]
        assert isinstance(a, list)
        assert isinstance(b, list)
        if [x for x in b if x in a] != a:
            self.rest.append(_by_hand(new, "has other labels; a label can't be dropped or moved"))
            return
        for at, label in enumerate(b):
            if label not in a:
                place = f" after {quote_literal(b[at - 1])}" if at else f" before {quote_literal(b[1])}"
                self.rest.append(f"alter type {new.name} add value {quote_literal(label)}{place};")

    def _alter_sequence(self, new: SchemaObject, changed: set[str]) -> None:
        p = new.properties
        if changed - {"owned by", "identity"}:
            self.rest.append(f"alter sequence {new.name} as {p['type']} {_sequence(p)};")
        if "owned by" in changed and not p.get("identity"):
            self.last.append(f"alter sequence {new.name} owned by {p.get('owned by', 'none')};")

    def _alter_table(self, new: SchemaObject, a: Mapping[str, Value], changed: set[str]) -> None:
        b, of = new.properties, f"alter table {new.name}"
        plain: Mapping[str, Callable[[], str]] = {
            "unlogged": lambda: f"{of} set {'unlogged' if b.get('unlogged') else 'logged'};",
            "row security": lambda: f"{of} {'enable' if b.get('row security') else 'disable'} row level security;",
            "row security forced": lambda: (
                f"{of} {'' if b.get('row security forced') else 'no '}force row level security;"
            ),
            "options": lambda: _options("table", new.name, a, b),
            "replica identity": lambda: f"{of} replica identity {b.get('replica identity', 'default')};",
            "tablespace": lambda: f"{of} set tablespace {b.get('tablespace', 'pg_default')};",
        }
        for name in sorted(changed):
            self.rest.append(plain[name]() if name in plain else _by_hand(new, f"differs in {name}"))

    # -- what many kinds have ----------------------------------------------------------------------------------

    def _finish(self, old: SchemaObject | None, new: SchemaObject) -> None:
        """Owner, comment, rights; a new object has its owner's default rights."""
        a: Mapping[str, Value] = old.properties if old else {}
        b, word = new.properties, _word(new)
        if new.kind == "sequence" and b.get("identity"):
            return
        if "owner" in b and a.get("owner") != b["owner"]:
            self.rest.append(f"alter {word} {new.name} owner to {b['owner']};")
        if a.get("comment") != b.get("comment"):
            text = quote_literal(str(b["comment"])) if "comment" in b else "null"
            self.rest.append(f"comment on {_commented(new)} is {text};")
        if old is not None and a.get("rights") != b.get("rights"):
            self._rights(new, _listed(a.get("rights")), _listed(b.get("rights")))
        elif old is None and new.kind in _GRANTED and new.kind != "column":
            owner, public = str(b["owner"]), _PUBLIC.get(new.kind, ())
            has = [r for r in _listed(b.get("rights")) if r.endswith(f" to {owner}")] + [
                f"{r} to public" for r in public
            ]
            self._rights(new, has, _listed(b.get("rights")))
        elif old is None and new.kind == "column" and "rights" in b and self._is_table(new.parent):
            self._rights(new, [], _listed(b["rights"]))

    def _rights(self, o: SchemaObject, has: Iterable[str], wanted: Iterable[str]) -> None:
        on = f"{_GRANTED.get(o.kind, 'table')} {o.parent if o.kind == 'column' else o.name}"
        if o.kind == "function" and o.properties["form"] == "procedure":
            on = f"procedure {o.name}"
        of = f" ({_last(o)})" if o.kind == "column" else ""
        has, wanted = list(has), list(wanted)
        for right in has:
            if right not in wanted:
                what, _, whom = right.removesuffix(" with grant option").partition(" to ")
                self.rest.append(f"revoke {what}{of} on {on} from {whom};")
        for right in wanted:
            if right not in has:
                what, _, whom = right.partition(" to ")
                self.rest.append(f"grant {what}{of} on {on} to {whom};")


_GRANTED: Mapping[str, str] = {
    "schema": "schema",
    "table": "table",
    "view": "table",
    "sequence": "sequence",
    "function": "function",
    "type": "type",
    "column": "table",
}
_PUBLIC: Mapping[str, tuple[str, ...]] = {"function": ("execute",), "type": ("usage",)}


def _listed(value: Value | None) -> list[str]:
    return value if isinstance(value, list) else []


def _last(o: SchemaObject) -> str:
    """The object's own name, without its parent's."""
    assert o.parent is not None
    return o.name[len(o.parent) + 1 :]


def _word(o: SchemaObject) -> str:
    match o.kind:
        case "view" if o.properties.get("materialized"):
            return "materialized view"
        case "type" if o.properties["form"] == "domain":
            return "domain"
        case "function":
            return str(o.properties["form"]).replace("window", "function")
        case "table" if o.properties["form"] == "foreign":
            return "foreign table"
        case _:
            return o.kind


def _commented(o: SchemaObject) -> str:
    if o.kind in ("constraint", "policy", "trigger", "rule"):
        domain = "domain " if o.properties.get("domain") else ""
        return f"{o.kind} {_last(o)} on {domain}{o.parent}"
    return f"{_word(o)} {o.name}"


def _column(p: Mapping[str, Value]) -> str:
    parts = [str(p["type"])]
    if "collation" in p:
        parts.append(f"collate {p['collation']}")
    if "generated" in p:
        parts.append(f"generated always as ({p['generated']}) {'virtual' if p.get('virtual') else 'stored'}")
    elif "identity" in p:
        parts.append(f"generated {p['identity']} as identity")
    elif "default" in p:
        parts.append(f"default {p['default']}")
    if p.get("not null"):
        parts.append("not null")
    return " ".join(parts)


def _column_settings(a: Mapping[str, Value], b: Mapping[str, Value]) -> list[str]:
    """Clauses behind `alter column`, for what CREATE TABLE is not told."""
    clauses = []
    if a.get("storage") != b.get("storage"):
        clauses.append(f"set storage {b.get('storage', 'default')}")
    if a.get("compression") != b.get("compression"):
        names = {"p": "pglz", "l": "lz4"}
        clauses.append(f"set compression {names.get(str(b.get('compression')), 'default')}")
    if a.get("statistics") != b.get("statistics"):
        clauses.append(f"set statistics {b.get('statistics', -1)}")
    if a.get("options") != b.get("options"):
        options = _listed(b.get("options"))
        clauses.append(f"set ({', '.join(options)})" if options else f"reset ({_names(_listed(a.get('options')))})")
    return clauses


def _options(word: str, name: str, a: Mapping[str, Value], b: Mapping[str, Value]) -> str:
    has, wanted = _listed(a.get("options")), _listed(b.get("options"))
    names = {o.partition("=")[0] for o in wanted}
    gone = [o for o in has if o.partition("=")[0] not in names]
    parts = [f"alter {word} {name} reset ({_names(gone)});"] if gone else []
    parts += [f"alter {word} {name} set ({', '.join(wanted)});"] if wanted else []
    return "\n".join(parts)


def _names(options: Iterable[str]) -> str:
    return ", ".join(o.partition("=")[0] for o in options)


def _set_or_drop(name: str, p: Mapping[str, Value]) -> str:
    return f"set {name} {p[name]}" if name in p else f"drop {name}"


def _sequence(p: Mapping[str, Value]) -> str:
    cycle = "cycle" if p.get("cycle") else "no cycle"
    return (
        f"increment {p['increment']} minvalue {p['minimum']} maxvalue {p['maximum']} start {p['start']} "
        f"cache {p['cache']} {cycle}"
    )


def _policy(o: SchemaObject, verb: str) -> str:
    p = o.properties
    parts = [f"{verb} policy {_last(o)} on {o.parent}"]
    if verb == "create":
        parts.append(f"as {'restrictive' if p.get('restrictive') else 'permissive'} for {p['command']}")
    parts.append(f"to {', '.join(_listed(p['roles']))}")
    if "using" in p:
        parts.append(f"using ({p['using']})")
    if "check" in p:
        parts.append(f"with check ({p['check']})")
    return f"{' '.join(parts)};"


def _by_hand(o: SchemaObject, why: str) -> str:
    return f"-- {o.kind} {' '.join(o.name.split())} {why}: by hand"


assert set(_REMADE) <= set(KINDS)
