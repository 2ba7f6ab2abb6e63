"""Strict YAML that knows where each value stands, so that every error names file, line and key.

YAML 1.2's core schema (`no` is a word, `010` is no number), no duplicate keys, no anchors, no tags, one document, and
bounds on size, depth and count: a configuration is input like any other.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

MAX_BYTES = 32_000_000  # a declaration of some ten thousand tables
MAX_DEPTH = 50
MAX_NODES = 2_000_000

Key: TypeAlias = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


class ConfigError(Exception):
    """A configuration can't be used: one or more sentences, each with its place and the mend."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """Where something stands; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(slots=True)
class Document:
    """A parsed file.

    Args:
        data: plain dicts, lists and scalars.
        marks: where each key and item stands.
        substituted: places whose value came from the environment, so that no error repeats it.
    """

    data: dict[str, Any]
    marks: dict[Key, Mark]
    substituted: set[Key] = field(default_factory=set)

    def mark(self, key: Key) -> Mark:
        """The place of a key, or of the nearest one above it."""
        while key and key not in self.marks:
            key = key[:-1]
        return self.marks[key]

    def value(self, key: Key) -> Any:
        found: Any = self.data
        for part in key:
            try:
                found = found[part]
            except (KeyError, IndexError, TypeError):
                return None
        return found


def read(path: Path, *, shown_as: str | None = None) -> Document:
    """Read and parse a file.

    Raises:
        ConfigError: unreadable, too large, or not the YAML that is accepted.
    """
    name = shown_as or str(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a FIFO must not hang the start
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError(f"{name}: is not a regular file")
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{name}: can't be read: {error.strerror or error}") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{name}: is larger than {MAX_BYTES:,} bytes, which no configuration needs")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: is not UTF-8 (byte {error.start:,})") from error
    return parse(text, name)


def parse(text: str, name: str) -> Document:
    """Parse a document whose root is a mapping; an empty one is an empty mapping.

    Raises:
        ConfigError: as `read`.
    """
    builder = _Builder(name)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        # The problem and its place only: the parser's own text quotes the line, and a line may hold a secret.
        at = error.problem_mark or error.context_mark
        place = f"{name}:{at.line + 1}:{at.column + 1}" if at else name
        raise ConfigError(f"{place}: not valid YAML: {_harmless(error.problem) or 'syntax error'}") from None
    except yaml.YAMLError as error:  # an unprintable character
        position = getattr(error, "position", None)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else 1
        raise ConfigError(f"{name}:{line}:1: holds a character that YAML does not allow") from error
    except RecursionError as error:
        raise ConfigError(f"{name}: is nested too deeply") from error
    root = builder.root
    if root is None:
        root = {}
    if not isinstance(root, dict):
        raise ConfigError(f"{name}:1:1: expected a mapping of keys to values at the top")
    builder.marks.setdefault((), Mark(name, 1, 1))
    return Document(root, builder.marks)


def _harmless(problem: str | None) -> str:
    """The parser's words without what it quotes from the file, single characters and kinds of tokens apart."""
    return re.sub(r"'(?!<[a-z ]+>')[^']{3,}'", "this", re.sub(r"'([^'])'", "\\1", problem or ""))


class _Builder:
    """Turns parser events into plain values, bounded as it goes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.root: Any = None
        self.marks: dict[Key, Mark] = {}
        self._stack: list[tuple[dict[str, Any] | list[Any], Key]] = []
        self._pending: str | None = None  # a mapping's key that waits for its value
        self._nodes = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self._refuse(event, "one document a file; remove the second '---'")
            case yaml.AliasEvent():
                self._refuse(event, "anchors and aliases are not used here; write the value out")
            case yaml.ScalarEvent():
                self._plain(event)
                self._scalar(event)
            case yaml.MappingStartEvent():
                self._plain(event)
                self._open({}, event)
            case yaml.SequenceStartEvent():
                self._plain(event)
                self._open([], event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._stack.pop()

    def _plain(self, event: yaml.NodeEvent) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._refuse(event, f"more than {MAX_NODES:,} values, which no configuration needs")
        if event.anchor:
            self._refuse(event, "anchors and aliases are not used here; write the value out")
        if getattr(event, "tag", None):
            self._refuse(event, "tags are not used here; remove the '!'")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        if self._stack and isinstance(self._stack[-1][0], dict) and self._pending is None:
            container, key = self._stack[-1]
            if event.value in container:
                first = self.marks[(*key, event.value)]
                self._refuse(event, f"the key {event.value!r} stands twice; the first is on line {first.line}")
            self._pending = event.value
            self.marks[(*key, event.value)] = self._mark(event)
            return
        plain = event.implicit[0]
        self._place(_resolve(event.value) if plain else event.value, event)

    def _open(self, container: dict[str, Any] | list[Any], event: yaml.NodeEvent) -> None:
        if self._stack and isinstance(self._stack[-1][0], dict) and self._pending is None:
            self._refuse(event, "a key is a word, not a list or a mapping")
        if len(self._stack) >= MAX_DEPTH:
            self._refuse(event, f"nested deeper than {MAX_DEPTH} levels")
        key = self._place(container, event)
        self._stack.append((container, key))

    def _place(self, value: Any, event: yaml.Event) -> Key:
        if not self._stack:
            self.root = value
            self.marks[()] = self._mark(event)
            return ()
        container, parent = self._stack[-1]
        if isinstance(container, list):
            key: Key = (*parent, len(container))
            self.marks[key] = self._mark(event)
            container.append(value)
        else:
            assert self._pending is not None
            key = (*parent, self._pending)
            container[self._pending] = value
            self._pending = None
        return key

    def _mark(self, event: yaml.Event) -> Mark:
        at = event.start_mark
        assert at is not None  # the parser marks every event
        return Mark(self.name, at.line + 1, at.column + 1)

    def _refuse(self, event: yaml.Event, problem: str) -> None:
        raise ConfigError(f"{self._mark(event)}: {problem}")


_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)?\.?[0-9]+(?:[eE][-+]?[0-9]+)?|[-+]?(?:0|[1-9][0-9]*)\.")


def _resolve(text: str) -> Any:
    """A plain scalar by YAML 1.2's core schema, less what surprises: no octal, no infinity."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if len(text) <= 400 and _INTEGER.fullmatch(text):  # longer than a double: no figure of ours
        return int(text)
    if _NUMBER.fullmatch(text) and ("." in text or "e" in text or "E" in text) and not re.match(r"[-+]?0[0-9]", text):
        number = float(text)
        return number if abs(number) != float("inf") else text
    return text


_REFERENCE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})")


def substitute(document: Document, environment: Mapping[str, str]) -> None:
    """Put `${NAME}` and `${NAME:-default}` in strings by the environment's values; `$$` is a dollar sign.

    Raises:
        ConfigError: a variable without default is missing, or a value holds a line break or NUL.
    """
    problems: list[str] = []
    for key, value in list(_strings(document.data, ())):
        if "$" not in value:
            continue

        def put(found: re.Match[str], key: Key = key) -> str:
            name, default = found.group(1), found.group(2)
            if name is None:
                return "$"
            text = environment.get(name)
            if not text and isinstance(default, str):
                return default
            at = f"{document.mark(key)}: {dotted(key)}"
            if text is None:
                problems.append(
                    f"{at}: the environment variable {name} is not set; set it, or write ${{{name}:-default}}"
                )
                return ""
            if not text:
                problems.append(
                    f"{at}: the environment variable {name} is empty; set it, or write ${{{name}:-default}}"
                )
            if "\n" in text or "\r" in text or "\0" in text:
                problems.append(f"{at}: the environment variable {name} holds a line break; set it to a single line")
            document.substituted.add(key)
            return text

        replaced = _REFERENCE.sub(put, value)
        parent = document.value(key[:-1])
        parent[key[-1]] = replaced
    if problems:
        raise ConfigError(*problems)


def _strings(value: Any, key: Key) -> Iterator[tuple[Key, str]]:
    match value:
        case str():
            yield key, value
        case dict():
            for name, item in value.items():
                yield from _strings(item, (*key, name))
        case list():
            for at, item in enumerate(value):
                yield from _strings(item, (*key, at))


def merge(base: Document, other: Document) -> None:
    """Add what an included file says; mappings join, anything said twice is an error.

    Raises:
        ConfigError: one key in two files, naming both places.
    """
    _merge(base, other, base.data, other.data, ())
    for key, mark in other.marks.items():
        base.marks.setdefault(key, mark)


def _merge(base: Document, other: Document, into: dict[str, Any], data: dict[str, Any], key: Key) -> None:
    for name, value in data.items():
        here = (*key, name)
        if name not in into:
            into[name] = value
        elif isinstance(value, dict) and isinstance(into[name], dict) and len(here) == 1:
            _merge(base, other, into[name], value, here)
        else:
            raise ConfigError(f"{other.mark(here)}: {dotted(here)}: stands in {base.mark(here)} too; keep one")


def validate(model: type[M], document: Document) -> M:
    """The document as a typed value.

    Raises:
        ConfigError: one sentence for each problem: place, key, value (unless secret), what was expected.
    """
    try:
        # Strict JSON mode: lists become tuples and strings enums, but "70" is no number and 1 no boolean.
        return model.model_validate_json(json.dumps(document.data), strict=True)
    except ValidationError as error:
        raise ConfigError(*_sentences(model, document, error)) from None


def _sentences(model: type[BaseModel], document: Document, error: ValidationError) -> list[str]:
    problems = []
    for problem in error.errors(include_url=False):
        location = _known(document, problem["loc"])
        kind, context = problem["type"], problem.get("ctx", {})
        if kind == "extra_forbidden":
            near = difflib.get_close_matches(str(location[-1]), keys_of(model, location[:-1]), n=1)
            said = f"unknown key{f'; did you mean {near[0]!r}?' if near else ''}"
        elif kind == "missing":
            said = f"{problem['loc'][-1]!r} is missing"
            location = _known(document, problem["loc"][:-1])
        elif kind in ("union_tag_invalid", "union_tag_not_found"):
            tag = context["discriminator"].strip("'")
            said = f"{tag!r} is missing"
            if kind == "union_tag_invalid":  # pydantic's own message holds the value
                location = _known(document, (*problem["loc"], tag))
                said = f"expected one of {context['expected_tags']}"
                if location not in document.substituted:
                    said = f"{json.dumps(document.value(location), ensure_ascii=False)[:80]}: {said}"
        elif kind == "value_error":
            said = str(context.get("error", problem["msg"]))
        else:
            said = _expected(problem["msg"])
            value = document.value(location)
            if location not in document.substituted and not _is_secret(model, location) and _is_scalar(value):
                said = f"{json.dumps(value, ensure_ascii=False)[:80]}: {said}"
        problems.append((document.mark(location), f"{document.mark(location)}: {dotted(location) or 'here'}: {said}"))
    return [sentence for _, sentence in sorted(set(problems))]


def _known(document: Document, location: Iterable[str | int]) -> Key:
    """Pydantic's location less what it adds for unions, as far as the document goes."""
    key: Key = ()
    for part in location:
        if (*key, part) in document.marks:
            key = (*key, part)
    return key


def _expected(message: str) -> str:
    said = message.replace("Input should be", "expected")
    return said[:1].lower() + said[1:]


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def keys_of(model: type[BaseModel], location: Key) -> list[str]:
    """The keys that a model takes at a place, of any kind that may stand there; empty where names are free."""
    schema = model.model_json_schema()
    return list(dict.fromkeys(key for s in _schemas_at(schema, schema, location) for key in s.get("properties", {})))


def _is_secret(model: type[BaseModel], location: Key) -> bool:
    schema = model.model_json_schema()
    return any(s.get("format") == "password" for s in _schemas_at(schema, schema, location))


def _schemas_at(schema: dict[str, Any], root: dict[str, Any], location: Key) -> Iterator[dict[str, Any]]:
    """Every schema that may hold at a place: of a union each of its kinds."""
    if "$ref" in schema:
        yield from _schemas_at(root["$defs"][schema["$ref"].rpartition("/")[2]], root, location)
    elif kinds := schema.get("anyOf") or schema.get("oneOf"):
        for kind in kinds:
            yield from _schemas_at(kind, root, location)
    elif not location:
        yield schema
    else:
        part, rest = location[0], location[1:]
        if isinstance(part, int):
            below = schema.get("items", {}) or {}
        else:
            # Names that are free have one pattern, or none.
            named = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties", {}))
            below = schema.get("properties", {}).get(part, named)
        yield from _schemas_at(below if isinstance(below, dict) else {}, root, rest)


def dotted(key: Key) -> str:
    """`services.auth.pool.max`, `waivers[2].expires`."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
