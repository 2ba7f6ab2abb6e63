"""Where SQL text ends its statements, by PostgreSQL's own lexical rules. A leaf: standard library only.

The rules are those of the server's scanner and of psql's, which splits a script (documentation, chapter 4.1; src/fe_utils/
psqlscan.l): comments nest, a quoted string may be dollar quoted, a semicolon in parentheses ends nothing, and neither
does one in the `begin atomic ... end` body of a routine. What a statement is, its first words tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
    | (?P<line>--[^\r\n]*)
    | (?P<block>/\*)
    | (?P<dollar>\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?\$)
    | (?P<string>(?:[eE]'(?:[^'\\]|\\.|'')*'|(?:[uU]&|[bBxXnN])?'(?:[^']|'')*'))
    | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*")
    | (?P<word>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*)
    | (?P<number>\d[\w.]*)
    | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One word, quoted name, string, number or mark. Words are lowered; a quoted name is as it was meant, unquoted.

    Args:
        at: where it begins in the text.
    """

    kind: str
    text: str
    at: int

    def says(self, *words: str) -> bool:
        return self.kind == "word" and self.text in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of a script, without its semicolon.

    Args:
        line: where its first word stands, from 1.
        tokens: without comments and white space.
    """

    text: str
    line: int
    tokens: tuple[Token, ...]

    def starts(self, *words: str) -> bool:
        """Whether its first words are these."""
        head = self.tokens[: len(words)]
        return len(head) == len(words) and all(t.says(w) for t, w in zip(head, words, strict=True))

    @property
    def created(self) -> Creation | None:
        """What it creates for good; None for all else."""
        words = list(self.tokens)
        if not words or not words.pop(0).says("create"):
            return None
        while words and words[0].says("or", "replace", "unlogged", "unique", "global", "local", "recursive"):
            words.pop(0)
        if words and words[0].says("temp", "temporary"):
            return None
        kind: list[str] = []
        while words and words[0].says(*_KINDS):
            kind.append(words.pop(0).text)
        while words and words[0].says("concurrently", "if", "not", "exists"):
            words.pop(0)
        name, parts = _name(words)
        behind = words[parts:]
        return Creation(kind=" ".join(kind), name=name, behind=tuple(behind)) if kind else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """What a statement creates.

    Args:
        kind: `table`, `materialized view`...
        name: as it was meant, its parts joined by dots; empty where it has none (an index may).
        behind: the tokens behind the name.
    """

    kind: str
    name: str
    behind: tuple[Token, ...]


_KINDS = (
    *("table", "schema", "type", "index", "sequence", "view", "materialized", "function", "procedure", "trigger"),
    *("extension", "domain", "policy", "foreign", "role", "event", "aggregate", "database"),
)


def qualified(tokens: Sequence[Token]) -> str:
    """The name at the head of some tokens, its parts joined by dots; empty where there is none."""
    return _name(tokens)[0]


def _name(tokens: Sequence[Token]) -> tuple[str, int]:
    """The name at the head, and how many tokens it takes."""
    parts: list[str] = []
    for token in tokens:
        expects_name = len(parts) % 2 == 0
        if expects_name and token.kind in ("word", "quoted"):
            parts.append(token.text)
        elif not expects_name and token.text == ".":
            parts.append(".")
        else:
            break
    return "".join(parts).rstrip("."), len(parts)


def tokens(sql: str) -> Iterator[Token]:
    """The tokens of a text. What no rule of the scanner takes (an unended string) comes as marks, one character each."""
    at = 0
    while match := _TOKEN.match(sql, at):
        kind, text, start = str(match.lastgroup), match.group(), at
        at = match.end()
        if kind == "block":
            depth = 1
            while depth and (edge := _COMMENT_EDGE.search(sql, at)):
                depth += 1 if edge.group() == "/*" else -1
                at = edge.end()
            at = at if not depth else len(sql)
        elif kind == "dollar":
            end = sql.find(text, at)
            at = len(sql) if end < 0 else end + len(text)
            yield Token(kind="string", text=sql[start:at], at=start)
        elif kind == "quoted":
            name = text[text.index('"') + 1 : -1].replace('""', '"')
            yield Token(kind=kind, text=name, at=start)
        elif kind == "word":
            yield Token(kind=kind, text=text.lower(), at=start)
        elif kind not in ("space", "line"):
            yield Token(kind=kind, text=text, at=start)


def statements(sql: str) -> list[Statement]:
    """The statements of a script, in order; comments and empty statements are no statements."""
    found: list[Statement] = []
    held: list[Token] = []
    parentheses = body = 0
    lines = _Lines(sql)
    for token in tokens(sql):
        if token.text == ";" and not parentheses and not body:
            if held:
                found.append(_statement(sql[held[0].at : token.at], held, lines))
            held = []
            continue
        held.append(token)
        if token.kind == "mark":
            parentheses = max(0, parentheses + {"(": 1, ")": -1}.get(token.text, 0))
        elif held[0].says("create"):
            body = _depth(body, held)
    if held:
        found.append(_statement(sql[held[0].at :].rstrip(), held, lines))
    return found


def without_semicolons(sql: str) -> str | None:
    """The same statement with no semicolon in it, which is one however it is taken apart; None where it isn't known how.

    Those in comments become commas. Those in literals are escaped; `standard_conforming_strings` is taken to be on.
    """
    if ";" not in sql:
        return sql
    if _DOLLAR_QUOTE.search(sql):
        return None
    written = _TEXT.sub(_escaped, sql)
    return None if ";" in written else written


_DOLLAR_QUOTE = re.compile(r"\$\w*\$")
# A literal goes on behind a new line, and comments; its parts share the first one's form.
_GOES_ON = r"(?:[ \t\f\v]|--[^\r\n]*)*[\r\n](?:\s|--[^\r\n]*[\r\n])*"
_ESCAPES = r"'(?:[^'\\]|\\.|'')*'"
_PLAIN = r"'[^']*'(?:'[^']*')*"
_TEXT = re.compile(
    rf"""(?P<comment>--[^\r\n]*|/\*(?:(?!/\*|\*/).)*\*/)
    |(?P<escapes>(?<![\w$])[eE]{_ESCAPES}(?:{_GOES_ON}{_ESCAPES})*)
    |(?P<plain>(?<![\w$&]){_PLAIN}(?:{_GOES_ON}{_PLAIN})*)
    |(?P<other>{_PLAIN}|"[^"]*")""".replace("\n    ", ""),
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\.|;", re.DOTALL)


def _escaped(found: re.Match[str]) -> str:
    text = found.group()
    if ";" not in text:
        return text
    match found.lastgroup:
        case "comment":
            return text.replace(";", ",")
        case "escapes":
            return _ESCAPE.sub(lambda part: r"\073" if part.group().endswith(";") else part.group(), text)
        case "plain":
            return "E" + text.replace("\\", r"\\").replace(";", r"\073")
        case _:
            return text


def _depth(body: int, held: list[Token]) -> int:
    """How many `begin atomic` and `case` of a routine's body are open behind the newest token."""
    token = held[-1]
    if token.says("atomic") and held[-2].says("begin"):
        return 1
    if body and token.says("case", "begin"):
        return body + 1
    return body - 1 if body and token.says("end") else body


class _Lines:
    """Counts lines as positions come, each part of the text once."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._line = text, 0, 1

    def of(self, at: int) -> int:
        self._line += self._text.count("\n", self._at, at)
        self._at = at
        return self._line


def _statement(text: str, held: list[Token], lines: _Lines) -> Statement:
    return Statement(text=text, line=lines.of(held[0].at), tokens=tuple(held))
