"""The formats by name. Each renderer loads when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePath
from types import ModuleType

from readiness.document import RunDocument


@dataclass(frozen=True, slots=True)
class Format:
    """A format: the module of this package that makes it, and the suffix that its files have.

    Where such a module has a function `unavailable`, that says why it can't render here, or None.
    """

    module: str
    suffix: str
    function: str = "render"
    tells_by_suffix: bool = True
    """Whether a file's suffix alone means this format."""


FORMATS: Mapping[str, Format] = {
    "console": Format("plain", ".txt"),
    "markdown": Format("markdown", ".md"),
    "html": Format("html", ".html"),
    "pdf": Format("pdf", ".pdf"),
    "json": Format("document", ".json"),
    "junit": Format("junit", ".xml"),
    "sarif": Format("sarif", ".sarif"),
    "github": Format("github", ".txt", tells_by_suffix=False),
    "gitlab": Format("gitlab", ".json", tells_by_suffix=False),
    "tap": Format("tap", ".tap"),
    "csv": Format("table", ".csv"),
    "badge": Format("badge", ".svg"),
    "prometheus": Format("exposition", ".prom", "prometheus"),
    "openmetrics": Format("exposition", ".prom", "openmetrics", tells_by_suffix=False),
}


def render_any(run: RunDocument, format_name: str, **options: int) -> str | bytes:
    """A run document in one format, as text, or as bytes where the format is none. The console's takes `width`, in columns.

    Raises:
        ValueError: there is no such format.
        OSError: the program that makes it failed.
    """
    if format_name not in FORMATS:
        raise ValueError(f"no format is named {format_name!r}")
    rendered: str | bytes = getattr(_module(format_name), FORMATS[format_name].function)(run, **options)
    return rendered


def render(run: RunDocument, format_name: str, **options: int) -> str:
    """A run document in one format that is text.

    Raises:
        ValueError: there is no such format, or it is not text.
    """
    rendered = render_any(run, format_name, **options)
    if isinstance(rendered, bytes):
        raise ValueError(f"{format_name} is no text")  # noqa: TRY004  the name is at fault, not its type
    return rendered


def unavailable(format_name: str) -> str | None:
    """Why a format can't be rendered on this machine; None where it can."""
    asked = getattr(_module(format_name), "unavailable", None)
    reason: str | None = asked() if asked else None
    return reason


def by_suffix(path: str) -> str | None:
    """The format that a file's name asks for."""
    suffix = PurePath(path).suffix.lower()
    return next((name for name, f in FORMATS.items() if f.tells_by_suffix and f.suffix == suffix), None)


def _module(format_name: str) -> ModuleType:
    return import_module(f"readiness.reporting.{FORMATS[format_name].module}")
