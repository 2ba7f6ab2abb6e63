"""The services' source code, by the grammar of each language: the SQL in its strings, and where it writes files.

Read with tree-sitter (the extra `sources`); nothing is run. Comments are no strings; tests, migrations, and what others
wrote (node_modules, vendor...) are passed over. SQL that is put together at run time is seen as far as it is written out: a
part that is computed stands as a `_`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Self

from readiness.authoring import Unobservable
from readiness.facts.kept import SUFFIXES, kept_in_memory
from readiness.facts.target import Target, declared
from readiness.model import Reason
from readiness.sqltext import Creation, Statement, qualified, statements

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

MOST_FILES = 5_000
MOST_BYTES = 1_000_000

# Ending -> the grammar's module, and the function of it that gives the language.
_LANGUAGES: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys((".js", ".jsx", ".mjs", ".cjs"), ("tree_sitter_javascript", "language")),
    **dict.fromkeys((".ts", ".mts", ".cts"), ("tree_sitter_typescript", "language_typescript")),
    ".tsx": ("tree_sitter_typescript", "language_tsx"),
    ".py": ("tree_sitter_python", "language"),
    ".go": ("tree_sitter_go", "language"),
    ".java": ("tree_sitter_java", "language"),
    ".rb": ("tree_sitter_ruby", "language"),
    ".php": ("tree_sitter_php", "language_php"),
    ".cs": ("tree_sitter_c_sharp", "language"),
    **dict.fromkeys((".kt", ".kts"), ("tree_sitter_kotlin", "language")),
}
_FOLDERS_OF_OTHERS = frozenset(
    {".git", ".next", ".venv", "__pycache__", "bin", "bower_components", "build", "dist", "node_modules", "obj", "out"}
    | {"site-packages", "target", "vendor", "venv"}
)
_FOLDERS_OF_TESTS = frozenset(
    {"__mocks__", "__tests__", "e2e", "fixtures", "spec", "specs", "test", "testing", "tests"}
)
_FOLDERS_OF_MIGRATIONS = frozenset({"migrate", "migration", "migrations", "seeders", "seeds"})
_TEST_FILE = re.compile(
    r".*\.(?:test|spec|d)\.\w+|test_.*\.py|.*_test\.(?:go|py)|conftest\.py|.*_spec\.rb|.*Tests?\.(?:java|kt|cs)"
)

_STRINGS = frozenset(
    {"chained_string", "concatenated_string", "encapsed_string", "heredoc", "heredoc_body", "nowdoc", "string"}
    | {"interpolated_string_expression", "interpreted_string_literal", "multiline_string_literal", "raw_string_literal"}
    | {"string_literal", "template_string", "verbatim_string_literal"}
)
_HOLES = frozenset({"interpolation", "template_substitution", "variable_name", "member_access_expression"})
_JOINS = frozenset({"additive_expression", "binary", "binary_expression", "binary_operator"})
_CALLS = frozenset(
    {"call", "call_expression", "function_call_expression", "invocation_expression", "member_call_expression"}
    | {"method_invocation", "new_expression", "object_creation_expression", "scoped_call_expression"}
)
_ARGUMENTS = frozenset({"argument_list", "arguments", "call_suffix", "value_arguments"})

# Calls that write a file, by their last names; and those that do when their mode says so.
_WRITES = re.compile(
    r"(?:^|[.:>\s])(?:writeFile|appendFile|outputFile|outputJson|writeJson|writeJSON)(?:Sync)?$|(?:^|\.)createWriteStream$"
    r"|\.write_(?:text|bytes)$|(?:^|\.)json\.dump$|\b(?:os|ioutil)\.WriteFile$|\bos\.Create$"
    r"|\bFiles\.(?:write|writeString|newBufferedWriter|newOutputStream)$|\bnew (?:FileWriter|FileOutputStream|StreamWriter)$"
    r"|\b(?:File|IO)\.(?:write|binwrite)$|(?:^|\\)file_put_contents$|\bFile\.(?:Write|Append)All\w+$|\bFile\.Create$"
    r"|\.(?:writeText|writeBytes|appendText|appendBytes)$|\bDeno\.write(?:Text)?File(?:Sync)?$|\bBun\.write$"
)
_OPENS = re.compile(r"(?:^|\.)open$|^fopen$")
_TO_WRITE = re.compile(r"""["'](?:[wax]b?\+?|r\+)["']""")
_NOT_KEPT = re.compile(r"tmp|temp|/dev/|stdout|stderr", re.IGNORECASE)

# Calls of object mappers that make tables when a service starts.
_MAKES_TABLES = re.compile(
    r"(?:\.|^)(?:createTable|createTableIfNotExists|create_all|AutoMigrate|EnsureCreated)$|(?i:\bsequelize)\.sync$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in the sources.

    Args:
        path: from the profile's folder.
        line: from 1.
        what: what stands there, in a few words.
        table: the table that is made there, as written, its schema with it; None where none is.
    """

    path: str
    line: int
    what: str
    table: str | None = None

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The source code of one service.

    Args:
        files: how many were read.
        ddl: statements that change the schema, and calls that do.
        writes: calls that write files which are kept.
        scripts: how many of the files are JavaScript or TypeScript, where writes without a transaction can be told.
        untied: functions that write to several tables, each statement on a connection of the pool's own choosing.
        kept: containers in memory that functions write into.
        kept_unread: files of languages that are not read for that.
        unseen: why it could not be read.
    """

    files: int = 0
    ddl: tuple[Place, ...] = ()
    writes: tuple[Place, ...] = ()
    scripts: int = 0
    untied: tuple[Place, ...] = ()
    kept: tuple[Place, ...] = ()
    kept_unread: int = 0
    unseen: Unobservable | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """The source code of every declared service."""

    by_service: Mapping[str, Source]

    @classmethod
    def take(cls, target: Target) -> Self:
        declared(target.profile, "services")
        _need_grammars()
        migrations = target.profile.migrations
        apart = target.path(migrations.directory).resolve() if migrations else None
        return cls(
            {name: _read(target.folder, service.sources, apart) for name, service in target.profile.services.items()}
        )


def _need_grammars() -> None:
    try:
        import_module("tree_sitter")
    except ImportError:
        raise Unobservable(
            Reason.UNSUPPORTED,
            "reading sources needs the grammars of their languages, which are not installed",
            "pip install 'readiness[sources]'",
        ) from None


def _read(home: Path, folders: tuple[str, ...], apart: Path | None) -> Source:
    if not folders:
        return Source(
            unseen=Unobservable(
                Reason.NOT_CONFIGURED,
                "the profile doesn't say where its sources lie",
                "declare `sources: [...]` for the service in the profile",
            )
        )
    files = 0
    ddl: list[Place] = []
    writes: list[Place] = []
    untied: list[Place] = []
    kept: list[Place] = []
    scripts, kept_unread = 0, 0
    for folder in folders:
        if not (home / folder).is_dir():
            return Source(unseen=Unobservable(Reason.NOT_OBSERVABLE, f"there is no folder {folder}"))
        for path in _files(home / folder, apart):
            files += 1
            if files > MOST_FILES:
                return Source(unseen=Unobservable(Reason.ERROR, f"it has more than {MOST_FILES:,} source files"))
            with path.open("rb") as file:
                code = file.read(MOST_BYTES)
            shown = os.path.relpath(path, home)
            if path.suffix == ".sql":
                ddl += _ddl(code.decode("utf-8", "replace"), shown, 1)
                continue
            root = _parser(path.suffix).parse(code).root_node
            if path.suffix in SUFFIXES:
                kept += [Place(path=shown, line=line, what=what) for line, what in kept_in_memory(root)]
            else:
                kept_unread += 1
            if _LANGUAGES[path.suffix][0] in _SCRIPTS:
                scripts += 1
                untied += _untied(root, code, shown)
            for place, its in _look(root, code, path.suffix, shown):
                its_list = ddl if its == "ddl" else writes
                its_list.append(place)
    if not files:
        unseen = Unobservable(Reason.UNSUPPORTED, f"no source file of a known language lies in {', '.join(folders)}")
        return Source(unseen=unseen)
    return Source(
        files=files,
        ddl=tuple(ddl),
        writes=tuple(writes),
        scripts=scripts,
        untied=tuple(untied),
        kept=tuple(kept),
        kept_unread=kept_unread,
    )


def _files(folder: Path, apart: Path | None) -> Iterator[Path]:
    passed_over = _FOLDERS_OF_OTHERS | _FOLDERS_OF_TESTS | _FOLDERS_OF_MIGRATIONS
    for here, below, names in os.walk(folder):
        below[:] = sorted(
            b for b in below if b not in passed_over and (apart is None or (Path(here) / b).resolve() != apart)
        )
        for name in sorted(names):
            path = Path(here) / name
            known = path.suffix in _LANGUAGES or path.suffix == ".sql"
            if known and not _TEST_FILE.fullmatch(name) and not path.is_symlink():
                yield path


@cache
def _parser(suffix: str) -> Parser:
    from tree_sitter import Language, Parser  # noqa: PLC0415  an extra

    module, function = _LANGUAGES[suffix]
    return Parser(Language(getattr(import_module(module), function)()))


def _look(root: Node, code: bytes, suffix: str, shown: str) -> Iterator[tuple[Place, str]]:
    """What stands in one file: (place, "ddl" or "write")."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.type in _JOINS and any(c.type in ("+", ".") for c in node.children):
            parts, others = _joined(node)
            waiting += reversed(others)
            if any(p is not None for p in parts):
                text = "".join("_" if p is None else p for p in parts)
                yield from ((place, "ddl") for place in _ddl(text, shown, _line(node)))
            continue
        if node.type in _STRINGS:
            docstring = node.parent is not None and node.parent.type == "expression_statement" and suffix == ".py"
            if not docstring:
                yield from ((place, "ddl") for place in _ddl(_text(node), shown, _line(node)))
            waiting += [c for hole in _holes(node) for c in reversed(hole.children)]
            continue
        if node.type in _CALLS:
            yield from _call(node, code, shown)
        elif node.type == "pair" and re.match(rb"[\"']?synchronize[\"']?\s*:\s*true\b", _bytes(node, code)):
            yield Place(path=shown, line=_line(node), what="synchronize: true"), "ddl"
        waiting += reversed(node.children)


def _line(node: Node) -> int:
    return node.start_point[0] + 1


def _bytes(node: Node, code: bytes) -> bytes:
    return code[node.start_byte : node.end_byte]


def _joined(node: Node) -> tuple[list[str | None], list[Node]]:
    """The parts of strings that are put together by an operator (None: computed), and the nodes that are computed."""
    parts: list[str | None] = []
    others: list[Node] = []
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one.type in _JOINS and len(one.named_children) == 2:
            waiting += reversed(one.named_children)
        elif one.type == "parenthesized_expression" and len(one.named_children) == 1:
            waiting += one.named_children
        elif one.type in _STRINGS:
            parts.append(_text(one))
        else:
            parts.append(None)
            others.append(one)
    return parts, others


def _holes(node: Node) -> list[Node]:
    found, waiting = [], list(node.children)
    while waiting:
        one = waiting.pop()
        if one.type in _HOLES:
            found.append(one)
        else:
            waiting += one.children
    return found


_RAW = ("raw_string_literal_content", "raw_string_content", "heredoc_content")


def _text(node: Node) -> str:
    """What a string says, line for line."""
    if not node.named_children:
        text = (node.text or b"").decode("utf-8", "replace")
        text = text.replace('""', '"') if text.startswith(("@", "$@")) else text
        return re.sub(r"""^[@$a-zA-Z]*(?:\"\"\"|\"|'|`)|(?:\"\"\"|\"|'|`)$""", "", text)
    parts = []
    for child in node.children:
        text = (child.text or b"").decode("utf-8", "replace")
        if child.type in _HOLES:
            parts.append("_" + "\n" * text.count("\n"))
        elif child.type in _STRINGS:
            parts.append(_text(child))
        elif child.type == "escape_sequence":
            parts.append(_unescaped(text))
        elif "content" in child.type or "fragment" in child.type:
            parts.append(text if child.type in _RAW else _unescaped(text))
    return "".join(parts)


def _unescaped(text: str) -> str:
    """Escapes as white space or the character itself; an escaped line end stays one, so that lines count."""
    return re.sub(r"\\(?:([nrtfv0])|(.))", lambda m: " " if m[1] else m[2], text, flags=re.DOTALL)


def _call(node: Node, code: bytes, shown: str) -> Iterator[tuple[Place, str]]:
    arguments = next((c for c in node.children if c.type in _ARGUMENTS), None)
    if arguments is None:
        return
    callee = code[node.start_byte : arguments.start_byte].decode("utf-8", "replace")
    callee = re.sub(r"\s+", " ", callee[-200:]).strip().replace("?.", ".")
    given = _bytes(arguments, code).decode("utf-8", "replace")[:400]
    short = callee.rpartition(")")[2].lstrip(".") or callee
    if _MAKES_TABLES.search(callee):
        yield Place(path=shown, line=_line(node), what=f"{short}()"), "ddl"
    writes = _WRITES.search(callee) or (_OPENS.search(callee) and _TO_WRITE.search(given))
    if writes and not _NOT_KEPT.search(given):
        yield Place(path=shown, line=_line(node), what=f"{short}()"), "write"


def _ddl(text: str, shown: str, line: int) -> Iterator[Place]:
    """The statements of a text that change the schema for good."""
    if not _MAY_BE.search(text):
        return
    for statement in statements(text):
        name = _changes(statement)
        if name is not None:
            created = statement.created
            yield Place(
                path=shown,
                line=line + statement.line - 1,
                what=name,
                table=created.name if created and created.kind == "table" and created.name != "_" else None,
            )


_MAY_BE = re.compile(r"\b(?:create|alter|drop|truncate)\b", re.IGNORECASE)
_BEHIND_A_DROP = frozenset({"cascade", "restrict", ",", "(", "on"})
_ALTERS = frozenset(
    {"add", "alter", "attach", "detach", "disable", "drop", "enable", "force", "inherit", "owner"}
    | {"rename", "set", "validate"}
)


def _changes(statement: Statement) -> str | None:
    """What a statement changes, in its own words; None where it is no such statement, or English that begins like one."""
    first = statement.text.split(maxsplit=1)[0]
    if first not in (first.lower(), first.upper()):
        return None  # `Create table for two`: SQL is written in one case
    words = statement.tokens
    if created := statement.created:
        return f"create {created.kind} {created.name}" if _creates(created) else None
    if len(words) < 3 or not words[0].says("alter", "drop"):
        return None
    if words[0].says("alter") and words[1].says("table", "type", "sequence", "index", "view", "schema", "domain"):
        return f"alter {words[1].text}" if any(t.says(*_ALTERS) for t in words[3:8]) else None
    if words[0].says("drop") and words[1].says(
        "table", "type", "sequence", "index", "view", "schema", "function", "trigger"
    ):
        named = [t for t in words[2:] if not t.says("if", "exists", "concurrently")]
        after = next(
            (t for t in named if (t.kind not in ("word", "quoted") and t.text != ".") or t.text in _BEHIND_A_DROP), None
        )
        before = len(named) if after is None else named.index(after)
        return f"drop {words[1].text}" if before <= 3 and (after is None or after.text in _BEHIND_A_DROP) else None
    return None


def _creates(created: Creation) -> bool:
    """Whether what must stand behind the name in a statement of this kind stands there."""
    behind = created.behind
    first = behind[0].text if behind else ""
    has = {t.text for t in behind if t.kind in ("word", "mark")}
    match created.kind:
        case "table" | "foreign table":
            return first in ("(", "as", "of", "partition", "using", "with", "inherits")
        case "schema" | "extension" | "sequence" | "database" | "role":
            return not behind or first in (
                "authorization",
                "with",
                "as",
                "increment",
                "start",
                "owned",
                "create",
                "login",
            )
        case "view" | "materialized view" | "type" | "domain":
            return "as" in has
        case "index" | "policy":
            return "on" in has or created.name == "on"
        case "trigger" | "event trigger":
            return "on" in has and bool(has & {"execute", "before", "after"})
        case _:
            return first == "("


# -- writes that a transaction should hold together ------------------------------------------------------------

_SCRIPTS = frozenset({"tree_sitter_javascript", "tree_sitter_typescript"})
_POOLS = re.compile(rb"\b(\w+)\s*(?::\s*(?:pg\.)?Pool\b|(?::[^=;\n]{0,40})?=\s*new\s+(?:\w+\.)?Pool\s*\()")
_FUNCTIONS = frozenset(
    {"arrow_function", "function", "function_declaration", "function_expression", "generator_function"}
    | {"generator_function_declaration", "method_definition"}
)
_MAYBE = frozenset({"catch_clause", "if_statement", "switch_statement", "ternary_expression"})


def _untied(root: Node, code: bytes, shown: str) -> Iterator[Place]:
    """Functions that, whatever happens, write to several tables by `query` of a node-postgres pool.

    Each such call may take another connection, so that no transaction can hold them together (node-postgres,
    documentation of transactions). What is written under a condition isn't counted: it may be the other branch's.
    """
    pools = {m.decode() for m in _POOLS.findall(code)}
    waiting = [root] if pools else []
    while waiting:
        node = waiting.pop()
        waiting += node.children
        if node.type not in _FUNCTIONS:
            continue
        tables: dict[str, int] = {}
        for call in _certain_calls(node):
            callee = (call.children[0].text or b"").decode("utf-8", "replace")
            if callee.removesuffix(".query") in pools and callee.endswith(".query"):
                arguments = next((c for c in call.children if c.type == "arguments"), None)
                first = arguments.named_children[0] if arguments and arguments.named_children else None
                for table in _written(first):
                    tables.setdefault(table, _line(call))
        if len(tables) > 1:
            yield Place(path=shown, line=max(tables.values()), what=f"writes {', '.join(sorted(tables))}")


def _certain_calls(function: Node) -> list[Node]:
    """The calls that a function makes each time that it runs to its end, in its own body."""
    found, waiting = [], list(function.children)
    while waiting:
        node = waiting.pop()
        if node.type in _FUNCTIONS or node.type in _MAYBE:
            continue
        if node.type == "call_expression":
            found.append(node)
        waiting += node.children
    return found


def _written(argument: Node | None) -> Iterator[str]:
    """The tables that the statements of a string write to."""
    if argument is None:
        return
    if argument.type in _STRINGS:
        text = _text(argument)
    elif argument.type in _JOINS:
        text = "".join("_" if p is None else p for p in _joined(argument)[0])
    else:
        return
    for statement in statements(text):
        words = statement.tokens
        behind = {"insert": 2, "delete": 2, "update": 1}.get(words[0].text, 0) if words[0].kind == "word" else 0
        if behind and (name := qualified(words[behind:])) and name != "_":
            yield name
