"""What the author of a check imports: the decorator, the contract of a fact, and the way to say "could not look"."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, Literal, Protocol, TypeAlias, get_type_hints

from readiness.model import (
    SUBJECT_KINDS,
    Category,
    CheckInfo,
    Credit,
    Effort,
    Examined,
    NotApplicable,
    Observation,
    Priority,
    Reason,
    Scalar,
    Unknown,
    Unseen,
)

Subject: TypeAlias = Observation | Unseen
Answer: TypeAlias = Subject | Sequence[Subject] | Examined | NotApplicable | Unknown


@dataclass(frozen=True, slots=True)
class Awaited:
    """An answer that is on its way: who is asked works at it while something else is done here.

    Args:
        receive: waits until it is here; reads nothing of it, and raises nothing.
        read: gives it, or raises what asking raises.
        here: whether it is here, unread.
    """

    receive: Callable[[], None]
    read: Callable[[], Answer]
    here: Callable[[], bool] = lambda: False


class PackError(Exception):
    """A pack, or one of its checks, can't be read: one sentence with the file and the mend."""


class Unobservable(Exception):  # noqa: N818  not an error: an answer
    """A fact could not be had; whatever needs it is unknown, not failed."""

    def __init__(self, reason: Reason, detail: str, unlock: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.unlock = unlock

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.detail, self.unlock)


class Fact(Protocol):
    """Something seen on the target, typed; taking it is the only thing that costs I/O.

    `take` names the facts that it builds on by the annotations of its parameters, as a check does. Each fact is taken
    once a run; one that can't be taken raises `Unobservable`.
    """

    @classmethod
    def take(cls, *facts: Any) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question, ready to be asked.

    Args:
        info: what is known of it before it runs.
        facts: parameter name -> the fact that it wants.
        ask: called with the facts, and with the policy's parameters by name.
        sends: whether asking only sends a question, and its answer is awaited; what takes longer must not.
        computes: whether asking only computes, of facts, so that an answer may be on its way meanwhile.
        source: its SQL or Python, as `readiness checks ID` shows it.
        variants: major version -> the query that holds from it on, where a catalog changed.
    """

    info: CheckInfo
    facts: Mapping[str, type[Any]]
    ask: Callable[..., Answer | Awaited]
    source: str
    sends: bool = False
    computes: bool = False
    variants: Mapping[int, str] = field(default_factory=dict)


def check(
    *,
    subject: str,
    universe: str,
    priority: Literal["P0", "P1", "P2", "info"],
    effort: Literal["S", "M", "L"],
    credit: Credit,
    mend: str,
    links: Sequence[str] = (),
    needs: Sequence[str] = (),
    attestable: bool = False,
    valid_days: int | None = None,
) -> Callable[[Callable[..., Answer]], Check]:
    """Make a check of a function.

    Its module is its id (`security/plaintext_admitted.py` is `security/plaintext-admitted`, and the function bears the
    module's name), its docstring is title and why, its annotated parameters are the facts that it needs, and its
    keyword-only parameters are what a policy may set.

    Raises:
        TypeError: the function doesn't keep to this.
    """

    def decorate(ask: Callable[..., Answer]) -> Check:
        *_, category, module = ask.__module__.split(".")
        if ask.__name__ != module:
            raise TypeError(f"{ask.__module__}: the check is named like its file, {module}(), not {ask.__name__}()")
        title, _, why = inspect.cleandoc(ask.__doc__ or "").partition("\n\n")
        if not title or not why:
            raise TypeError(f"{ask.__module__}: the docstring is the title, an empty line, and the why")
        if subject not in SUBJECT_KINDS:
            raise TypeError(f"{ask.__module__}: {subject!r} is no kind of subject; known: {', '.join(SUBJECT_KINDS)}")
        facts, parameters = signature_of(ask)
        source = inspect.getsource(sys.modules[ask.__module__])
        info = CheckInfo(
            id=f"{category}/{module.replace('_', '-')}",
            title=" ".join(title.split()).removesuffix("."),
            category=Category(category),
            priority=Priority(priority),
            effort=Effort(effort),
            credit=credit,
            subject_kind=subject,
            universe=universe,
            why=why,
            mend=inspect.cleandoc(mend),
            needs=tuple(needs),
            links=tuple(links),
            parameters=parameters,
            attestable=attestable,
            valid_days=valid_days,
            sha256=hashlib.sha256(source.encode()).hexdigest(),
        )
        return Check(info=info, facts=facts, ask=ask, source=source, computes=True)

    return decorate


def signature_of(ask: Callable[..., Any]) -> tuple[dict[str, type[Any]], dict[str, Scalar]]:
    """The facts that a function wants, and the parameters (with defaults) that a policy may set.

    Raises:
        TypeError: a parameter is neither.
    """
    hints = get_type_hints(ask)
    facts: dict[str, type[Any]] = {}
    parameters: dict[str, Scalar] = {}
    for name, parameter in inspect.signature(ask).parameters.items():
        kind = hints.get(name)
        if parameter.kind is parameter.KEYWORD_ONLY and isinstance(parameter.default, str | int | float | bool):
            parameters[name] = parameter.default
        elif parameter.kind is parameter.POSITIONAL_OR_KEYWORD and isinstance(kind, type):
            facts[name] = kind
        else:
            where = f"{ask.__module__}.{ask.__qualname__}"
            raise TypeError(
                f"{where}: {name!r} is neither an annotated fact nor a keyword-only parameter with a default"
            )
    return facts, parameters


def python_check(module: ModuleType, *, pack: str) -> Check:
    """The one check of a module.

    Raises:
        PackError: it has none, or several.
    """
    found = [value for value in vars(module).values() if isinstance(value, Check)]
    if len(found) != 1:
        raise PackError(f"{pack}: {module.__name__}: a module holds one check, this one holds {len(found)}")
    return replace(found[0], info=replace(found[0].info, pack=pack))
