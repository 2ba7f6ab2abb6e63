"""Is this Postgres-backed platform ready?

The names below are all that a check needs; `CONTRIBUTING.md` shows one being written. They load on first use, so that
`readiness --version` costs little more than the interpreter.
"""

TYPE_CHECKING = False  # as type checkers know it; typing itself would cost more than all the rest of --version

__version__ = "0.1.0"

if TYPE_CHECKING:
    from readiness.authoring import Answer, Fact, Unobservable, check
    from readiness.model import (
        BINARY,
        RATIO,
        NotApplicable,
        Observation,
        Ramp,
        Reason,
        Tiers,
        Unknown,
        Unseen,
        quote_ident,
        quote_literal,
    )

_HOMES = {
    "readiness.authoring": ("Answer", "Fact", "Unobservable", "check"),
    "readiness.model": (
        "BINARY",
        "RATIO",
        "NotApplicable",
        "Observation",
        "Ramp",
        "Reason",
        "Tiers",
        "Unknown",
        "Unseen",
        "quote_ident",
        "quote_literal",
    ),
}

__all__ = [
    "BINARY",
    "RATIO",
    "Answer",
    "Fact",
    "NotApplicable",
    "Observation",
    "Ramp",
    "Reason",
    "Tiers",
    "Unknown",
    "Unobservable",
    "Unseen",
    "check",
    "quote_ident",
    "quote_literal",
]


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            import importlib  # noqa: PLC0415  not even importlib is paid for before it is needed

            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module 'readiness' has no attribute {name!r}")
