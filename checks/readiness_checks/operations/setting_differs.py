import re

from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unseen, check, quote_ident, quote_literal
from readiness.facts.settings import ApprovedSettings, Setting

_BYTES = {"B": 1, "kB": 2**10, "8kB": 2**13, "MB": 2**20, "16MB": 2**24, "GB": 2**30, "TB": 2**40}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BOOLEANS = dict.fromkeys(("on", "true", "yes", "1"), True) | dict.fromkeys(("off", "false", "no", "0"), False)
_QUOTED_LISTS = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)


@check(
    subject="setting",
    universe="approved settings",
    priority="P2",
    effort="S",
    credit=RATIO,
    mend="""
    Set what was approved, where your configuration management sets it, or approve what is there: `settings:` in the
    profile. What only counts from the next start on is told as such.
    """,
    links=("https://www.postgresql.org/docs/current/view-pg-settings.html",),
)
def setting_differs(settings: ApprovedSettings) -> Answer:
    """Settings are those that were approved.

    A setting that somebody changed in a night and never changed back is found in the next incident. What the profile
    approves is compared with what a new session of this database gets, whatever wrote it.
    """
    if not settings.approved:
        return NotApplicable("0 settings are approved")
    answers: list[Observation | Unseen] = []
    for name, approved in settings.approved.items():
        live = settings.live.get(name)
        if live is None and not settings.sees_all:
            grant = f"grant pg_read_all_settings to {settings.role};"
            answers.append(
                Unseen(subject=name, reason=Reason.NO_PERMISSION, detail="the role may not see it", unlock=grant)
            )
        elif live is None:
            answers.append(Observation(subject=name, ok=False, evidence={"approved": approved, "live": "not there"}))
        elif live.of_auditor:
            detail = "the auditor's role has a setting of its own, which hides what others get"
            unlock = f"alter role {settings.role} reset {name};"
            answers.append(Unseen(subject=name, reason=Reason.NOT_OBSERVABLE, detail=detail, unlock=unlock))
        else:
            shown = live.value + (f" (in {live.unit})" if live.unit else "")
            answers.append(
                Observation(
                    subject=name,
                    ok=_same(approved, live),
                    evidence={"approved": approved, "live": shown},
                    remedy=_remedy(name, approved, live),
                )
            )
    return answers


def _same(approved: str, live: Setting) -> bool:
    if live.kind == "bool":
        return _BOOLEANS.get(approved.lower()) == _BOOLEANS.get(live.value.lower())
    if live.kind in ("integer", "real"):
        wanted = _number(approved, live.unit)
        return wanted is not None and abs(wanted - float(live.value)) < (0.5 if live.kind == "integer" else 1e-9)
    if live.kind == "enum":
        return approved.lower() == live.value.lower()
    return _elements(approved) == _elements(live.value)


def _number(text: str, unit: str | None) -> float | None:
    """A number in a setting's own unit, as the server reads `64MB` or `1.5h`; None where it is none."""
    parts = re.fullmatch(r"\s*([+-]?\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    if not parts:
        return None
    number, suffix = float(parts[1]), parts[2]
    if not suffix:
        return number
    for scale in (_BYTES, _SECONDS):
        if unit is not None and suffix in scale and unit in scale:
            return number * scale[suffix] / scale[unit]
    return None


def _elements(text: str) -> list[str]:
    return [part.strip().strip('"') for part in text.split(",")]


def _remedy(name: str, approved: str, live: Setting) -> str | None:
    if live.context == "internal":
        return None
    listed = _elements(approved) if name.lower() in _QUOTED_LISTS and approved else [approved]
    value = ", ".join(map(quote_literal, listed))
    quoted = ".".join(map(quote_ident, name.lower().split(".")))
    if live.of_database:
        return f"alter database {live.of_database} set {quoted} = {value};"
    after = "-- Counts from the next start on." if live.context == "postmaster" else "select pg_reload_conf();"
    return f"alter system set {quoted} = {value};\n{after}"
