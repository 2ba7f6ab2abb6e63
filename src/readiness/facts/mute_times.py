"""When Alertmanager's time intervals hold: whether a route is muted now, or at all times of the coming year.

https://prometheus.io/docs/alerting/latest/configuration/#time_interval
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

_DAYS = 400
_DAY_MINUTES = 24 * 60
_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = ("", *(calendar.month_name[month].lower() for month in range(1, 13)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A moment is in it that is in one range of each kind, of which there are any.

    Args:
        times: minutes of the day, from and before.
        days: of the month; negative ones count from its end.
    """

    times: tuple[tuple[int, int], ...]
    weekdays: tuple[tuple[int, int], ...]
    days: tuple[tuple[int, int], ...]
    months: tuple[tuple[int, int], ...]
    years: tuple[tuple[int, int], ...]
    zone: tzinfo

    def holds(self, moment: datetime) -> bool:
        here = moment.astimezone(self.zone)
        minute, last = here.hour * 60 + here.minute, calendar.monthrange(here.year, here.month)[1]
        return (
            (not self.times or any(begin <= minute < end for begin, end in self.times))
            and _within(self.weekdays, here.isoweekday() % 7)
            and _within([(_of_month(a, last), _of_month(b, last)) for a, b in self.days], here.day)
            and _within(self.months, here.month)
            and _within(self.years, here.year)
        )

    def edges(self, day: datetime) -> Iterator[datetime]:
        """Where it may begin or end, on a day."""
        here = day.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        for minute in {0, *(edge % _DAY_MINUTES for pair in self.times for edge in pair)}:
            yield here.replace(hour=minute // 60, minute=minute % 60)


Intervals = Mapping[str, Sequence[Interval]]


def intervals(config: Mapping[str, Any]) -> Intervals:
    """Those of a configuration, by name; without those that can't be read, or whose zone isn't known here."""
    found: dict[str, Sequence[Interval]] = {}
    for key in ("time_intervals", "mute_time_intervals"):
        for named in config.get(key) or ():
            try:
                found[named["name"]] = [_interval(one or {}) for one in named.get("time_intervals") or ()]
            except (KeyError, ValueError, TypeError, AttributeError, OSError):
                continue
    return found


def muted(route: Mapping[str, Any], known: Intervals, now: datetime) -> str | None:
    """Why a route tells nobody, now or at any time: half a sentence; None where it does, or where that isn't known."""
    mute, active = (route.get(key) or () for key in ("mute_time_intervals", "active_time_intervals"))
    if not (mute or active):
        return None
    silent = [one for name in mute for one in known.get(name, ())]
    open_ = [one for name in active for one in known.get(name, ())]
    judges_active = bool(active) and all(name in known for name in active)

    def at(moment: datetime) -> bool:
        return any(one.holds(moment) for one in silent) or (
            judges_active and not any(one.holds(moment) for one in open_)
        )

    if not at(now):
        return None
    edges = (edge for day in range(_DAYS) for one in (*silent, *open_) for edge in one.edges(now + timedelta(days=day)))
    when = "at all times" if all(at(edge) for edge in edges if edge > now) else "at this moment"
    by = " and ".join(filter(None, (", ".join(mute), f"outside of {', '.join(active)}" if active else "")))
    return f"muted {when}: {by}"


def _within(ranges: Sequence[tuple[int, int]], value: int) -> bool:
    return not ranges or any(begin <= value <= end for begin, end in ranges)


def _of_month(day: int, last: int) -> int:
    return day if day > 0 else last + day + 1


def _interval(told: Mapping[str, Any]) -> Interval:
    return Interval(
        times=tuple((_minute(t["start_time"]), _minute(t["end_time"])) for t in told.get("times") or ()),
        weekdays=_ranges(told.get("weekdays"), _WEEKDAYS),
        days=_ranges(told.get("days_of_month"), ()),
        months=_ranges(told.get("months"), _MONTHS),
        years=_ranges(told.get("years"), ()),
        zone=ZoneInfo(told["location"]) if told.get("location") not in (None, "", "UTC") else UTC,
    )


def _minute(told: Any) -> int:
    if isinstance(told, int):  # YAML 1.1 takes 22:00 for a number to the base of 60
        return told
    hour, minute = str(told).split(":")
    return int(hour) * 60 + int(minute)


def _ranges(told: Any, names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    def number(text: str) -> int:
        text = text.strip().lower()
        return names.index(text) if text in names else int(text)

    def one(item: Any) -> tuple[int, int]:
        if isinstance(item, int) and 60 <= item < 1900:  # as above: 1:5
            return item // 60, item % 60
        begin, _, end = str(item).partition(":")
        return number(begin), number(end or begin)

    return tuple(one(item) for item in ([told] if isinstance(told, str | int) else told or ()))
