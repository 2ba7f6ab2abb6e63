"""One exit filter: no secret leaves, whatever text it hides in. A leaf: standard library only.

Known secrets are struck out raw and in the encodings that they travel in. In texts that come from outside (error
messages, settings, statements) the shapes that secrets have there go too. Names and remedies that we compose get the
first treatment only: a remedy must stay a statement.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 4  # shorter ones would strike out half the language
LONGEST_TEXT = 100_000

# The closing quote may be missing: texts are cut off, also in the middle of a secret.
_VALUE = r"""(?:\\{1,9}"[^"]*"?|\\{1,9}'[^']*'?|'(?:[^']|'')*'?|"(?:[^"\\]|\\.)*"?|[^\s'",;&)}\]]+)"""


class _Shape(NamedTuple):
    """What secrets look like, what goes into their place, and words of which one, in lower case, is in each such text."""

    pattern: re.Pattern[str]
    replacement: str
    words: tuple[str, ...]

    def struck(self, text: str, lower: str | None) -> str:
        """The text without it. Nearly none has a word of a shape, and looking for that is much cheaper than the pattern.

        Args:
            lower: the text in lower case; None where case is more than ASCII's, of which a pattern may know more.
        """
        if lower is None or any(word in lower for word in self.words):
            return self.pattern.sub(self.replacement, text)
        return text


# Every repetition is bounded, or can't begin twice at one place: a hostile text must not cost more than it is long.
_SHAPES = (
    # scheme://user:password@host; the password may hold slashes
    _Shape(re.compile(r"(://[^\s:/@]{0,256}):[^\s@]{1,512}(?=@)"), rf"\1:{MASK}", ("://",)),
    # password=..., "api_key": ..., PGPASSWORD=..., AccountKey=...
    _Shape(
        re.compile(
            rf"""
            ( (?: password | passwd | passphrase | (?<![a-z])pwd | secret | token | api[_-]?key | access[_-]?key
                | account[_-]?key | cipher[_-]pass )
              (?: ["']? \s{{0,3}} = \s{{0,3}} | ["'] \s{{0,3}} : \s{{0,3}} | : (?=\S) | : \s{{1,3}} ) )
            (?! :? [a-z_] [a-z0-9_]* (?: _fkey | _pkey | _key | _check | _idx ) \b )
            {_VALUE}
            """,
            re.IGNORECASE | re.VERBOSE,
        ),
        rf"\1{MASK}",
        (
            *("pass", "pwd", "secret", "token"),
            *(f"{what}{dash}key" for what in ("api", "access", "account") for dash in ("", "_", "-")),
        ),
    ),
    _Shape(
        re.compile(r"(--[a-z0-9-]{0,40}(?:password|secret|token|pass)[a-z0-9-]{0,40}[ =])\S+", re.IGNORECASE),
        rf"\1{MASK}",
        ("--",),
    ),
    # ALTER ROLE x PASSWORD '...', also dollar-quoted, and with a comment between
    _Shape(
        re.compile(
            r"(\bpassword(?:\s|/\*[^*]{0,200}\*/){1,9})"
            # In a statement that is itself a literal the quotes are doubled.
            r"(?:(?:e|u&)?'{2,4}(?=[^\s',;)])(?:[^']|'')*'?|(?:e|u&)?'(?:[^']|'')*'?|\$\w{0,63}\$.*?(?:\$\w{0,63}\$|\Z))",
            re.IGNORECASE | re.DOTALL,
        ),
        rf"\1'{MASK}'",
        ("password",),
    ),
    _Shape(
        re.compile(r"(\b(?:identified\s{1,9}by|requirepass|masterauth)\s{1,9})\S+", re.IGNORECASE),
        rf"\1{MASK}",
        ("identified", "requirepass", "masterauth"),
    ),
    _Shape(
        re.compile(r"(\b(?:bearer|basic)\s{1,9})[a-z0-9._~+/=-]{8,}", re.IGNORECASE),
        rf"\1{MASK}",
        ("bearer", "basic"),
    ),
    _Shape(re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"), MASK, ("eyj",)),
    _Shape(re.compile(r"SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=:]+"), MASK, ("scram-sha-256$",)),
    _Shape(re.compile(r"\bmd5[0-9a-f]{32}\b"), MASK, ("md5",)),
    _Shape(re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), MASK, ("akia", "asia")),
    _Shape(
        re.compile(
            r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        MASK,
        ("private key-----",),
    ),
)


class Redactor:
    """Strikes secrets out of text. Values that are public anyway (a role that is its own password) are left alone."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._public: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def learn(self, secrets: Iterable[str | None], *, public: Iterable[str | None] = ()) -> None:
        """Remember secrets; `public` names names that stand in the open, which masking would only garble."""
        self._public |= {p.casefold() for p in public if p}
        for secret in secrets:
            if secret and len(secret) >= SHORTEST and secret.casefold() not in self._public:
                self._forms |= _forms(secret)
        longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def known(self, text: str) -> str:
        """The text without the secrets that we know: for names, and for statements that we composed."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def text(self, text: str) -> str:
        """Text from outside, without the secrets that we know and without what has a secret's shape."""
        text = self.known(text[:LONGEST_TEXT])
        lower = text.lower() if text.isascii() else None
        for shape in _SHAPES:
            text = shape.struck(text, lower)
        return text

    def value(self, value: Any) -> Any:
        """The same shape with every string in it redacted; keys are ours and stay, unless one is a secret's name."""
        match value:
            case str():
                return self.text(value)
            case dict():
                return {key: self._named(key, item) for key, item in value.items()}
            case list() | tuple():
                return type(value)(self.value(item) for item in value)
            case _:
                return value

    def _named(self, key: Any, value: Any) -> Any:
        secret = isinstance(key, str) and _SECRET_KEY.search(key) and isinstance(value, str | int | float)
        return MASK if secret and not isinstance(value, bool) else self.value(value)


_SECRET_KEY = re.compile(r"(?:^|_)(?:password|passwd|passphrase|secret|token|api_?key)$", re.IGNORECASE)


def _forms(secret: str) -> set[str]:
    raw = secret.encode("utf-8", "surrogateescape")
    forms = {
        secret,
        quote(raw, safe=""),
        quote(raw),
        quote_plus(raw),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        secret.replace("'", "''"),
        secret.replace("\\", "\\\\").replace("'", "\\'"),
        repr(secret)[1:-1],
        base64.b64encode(raw).decode().rstrip("="),
    }
    forms |= {form.replace("'", "''") for form in forms}  # as a literal in a statement
    return {form for form in forms if len(form) >= SHORTEST}
