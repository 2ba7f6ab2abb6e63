"""One exit filter: no secret leaves, whatever text it hides in. A leaf: standard library only.

Known secrets are struck out raw and in the encodings that they travel in; beside them the shapes that secrets have in
Postgres' own texts (a hash, a password clause, credentials in a URL), since evidence quotes settings and statements.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 4  # shorter ones would strike out half the language

_SHAPES = (
    # scheme://user:password@host
    (re.compile(r"(\w[\w+.-]*://[^\s:/@]*):[^\s/@]+(?=@)"), rf"\1:{MASK}"),
    # password=..., --secret ..., api_key: ..., PGPASSWORD=...
    (
        re.compile(
            r"""(?ix)
            ( \b(?:[a-z0-9_-]*[_-]|pg)?
              (?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|cipher-pass)
              (?: ["']?\s*=\s* | ["']?\s*:\s+ | ["']\s*:\s*(?=["']) )
            | --[a-z0-9-]*(?:password|secret|token|pass)[a-z0-9-]*[ =] )
            (?: '(?:[^']|'')*' | "(?:[^"\\]|\\.)*" | [^\s'",;&)}\]]+ )
            """
        ),
        rf"\1{MASK}",
    ),
    # ALTER ROLE x PASSWORD '...'
    (re.compile(r"(?i)(\bpassword\s+)(?:e|u&)?'(?:[^']|'')*'"), rf"\1'{MASK}'"),
    (re.compile(r"(?i)(\bidentified\s+by\s+)'(?:[^']|'')*'"), rf"\1'{MASK}'"),
    (re.compile(r"(?i)(\b(?:bearer|basic)\s+)[a-z0-9._~+/=-]{8,}"), rf"\1{MASK}"),
    (re.compile(r"SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=:]+"), MASK),
    (re.compile(r"\bmd5[0-9a-f]{32}\b"), MASK),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), MASK),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL), MASK),
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

    def text(self, text: str) -> str:
        if self._pattern:
            text = self._pattern.sub(MASK, text)
        for shape, replacement in _SHAPES:
            text = shape.sub(replacement, text)
        return text

    def value(self, value: Any) -> Any:
        """The same shape with every string in it redacted; keys are ours and stay."""
        match value:
            case str():
                return self.text(value)
            case dict():
                return {key: self.value(item) for key, item in value.items()}
            case list() | tuple():
                return type(value)(self.value(item) for item in value)
            case _:
                return value


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
    return {form for form in forms if len(form) >= SHORTEST}
