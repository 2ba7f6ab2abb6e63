"""Alert rules, tried: series are made in which all is well, and others in which it is not, and promtool evaluates the rules on both.

A world is made for each rule of what it reads, with the labels that Prometheus really has where it was asked: then sides
that never match, or a label that is not there, show. In trouble a figure moves to the worst that it can be (all connections
in use, a lag of a day, no byte free) within half of the time, and stays there. What no value can meet never fires. What
fires in the worst only, and not in a trouble that nobody would sleep through (a lag of an hour, a backup two weeks old), is
late: a unit was mistaken, or the threshold is worth nothing.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import yaml

from readiness.drills import DrillError
from readiness.embedded import Workshop
from readiness.facts.monitoring import SIGNALS, AlertRules, Rule, Selector

HOURS = 6.0
STEP_SECONDS = 15.0
RUN_SECONDS = 120
_MOST_SERIES = 24
_ALERT, _AT_ONCE = "ReadinessTrial", "ReadinessTrialAtOnce"

DAY = 86400.0
_SHARED = r"pg_stat_activity_count|pg_stat_database_numbackends|cnpg_backends_total|ccp_connection_stats_\w+|postgresql_backends"
"""Figures that add up to a whole over their series."""


@dataclass(frozen=True, slots=True)
class _Course:
    """How a figure goes.

    Args:
        form: gauge (goes from well to sick), counter (grows by these a second), timestamp (of something that happens all
            the time, or last did `sick` seconds before the beginning).
        bad: short of the worst, and more than enough that somebody must be told.
    """

    form: str
    well: float
    sick: float
    bad: float


# Metric -> its course, the first that matches; max_connections and its like are put in by name.
_COURSES: tuple[tuple[str, _Course], ...] = (
    (r"pgbouncer_\w*maxwait\w*", _Course("gauge", 0, 300, 60)),
    (r"\w+_waiting\w*", _Course("gauge", 0, 100, 50)),
    (r"pg_long_running_transactions", _Course("gauge", 0, 50, 20)),
    (r"\w*(max_tx_duration|mean|avg|max|p95|oldest)\w*", _Course("gauge", 0.001, DAY, 3600)),
    (r"pg_stat_database_active_time\w*|pg_stat_statements_\w*(time|seconds)\w*|ccp_stat_statements_\w*(time|seconds)\w*|"
     r"pgbouncer_stats_\w*(duration|time)\w*", _Course("counter", 0.001, 10_000, 60)),
    (r"patroni_xlog_replayed_timestamp", _Course("timestamp", 0, DAY, 3600)),
    (r"(pg|cnpg|ccp|aws)_\w*(replication|replica)_?\w*(bytes|diff|size)\w*", _Course("gauge", 0, 1e12, 1e11)),
    (r"(pg|cnpg|ccp|aws)_\w*(replication|replica)_?\w*lag\w*", _Course("gauge", 0, DAY, 3600)),
    (r"\w*(timestamp|last_available|last_successful)\w*", _Course("timestamp", 0, 60 * DAY, 14 * DAY)),
    (r"(pgbackrest|ccp_backrest|barman|walg|velero)_\w+", _Course("gauge", 3600, 60 * DAY, 14 * DAY)),
    (r"(node_filesystem_(avail|free)|kubelet_volume_stats_available|windows_logical_disk_free|ccp_nodemx_data_disk_available)_bytes|"
     r"aws_rds_free_storage_space_\w+", _Course("gauge", 9e10, 0, 5e8)),
    (r"(node_filesystem_size|kubelet_volume_stats_capacity|windows_logical_disk_size)_bytes|ccp_nodemx_data_disk_total_bytes",
     _Course("gauge", 1e11, 1e11, 1e11)),
    (r"kubelet_volume_stats_used_bytes", _Course("gauge", 5e10, 5e10, 5e10)),
    # Of what starts a vacuum, not of what there is: ten times as many ids are there.
    (r"\w*percent_towards_emergency_autovac\w*", _Course("gauge", 100, 1000, 900)),
    (r"\w*(percent|perc)\w*", _Course("gauge", 5, 100, 99)),
    # The server stops giving ids three million before the end of what 31 bits count.
    (r"\w*(xid|frozen|mxid|wraparound|_mx_|transaction_id)\w*", _Course("gauge", 5e7, 2**31 - 3e6, 2e9)),
    (r"pg_stat_database_xact_\w+|pg_stat_statements_calls\w*|pgbouncer_stats_queries\w*", _Course("counter", 100, 0.1, 0.5)),
)  # fmt: skip
_BAD = {
    "slow-queries": "an hour, or two minutes on average",
    "replication-lag": "an hour, or 100 GB",
    "backup-age": "two weeks",
    "disk": "half a percent free",
    "wraparound": "2 billion transactions",
}
"""The trouble that nobody would sleep through, in words, where it is not the worst that can be."""
_CLOCK = re.compile(r"\b(hour|minute|day_of_week|day_of_month|month)\s*\(\s*\)")
_LIKE_SLOW = r"pg_stat_database_xact_\w+|pg_stat_statements_calls\w*|pgbouncer_stats_queries\w*"


@dataclass(slots=True)
class Tried:
    """What came of one kind of trouble.

    Args:
        proved: rules that fire in it, and are silent when all is well.
        late: those of them that fire in the worst of it alone.
    """

    sha256: str
    proved: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    unproved: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)


def drill(
    rules: AlertRules,
    promtool: str,
    *,
    settings: Mapping[str, float],
    hours: float = HOURS,
    step: float = STEP_SECONDS,
) -> dict[str, Tried]:
    """Try the rules of each kind; kind -> what came of it.

    Args:
        promtool: the program.
        settings: the server's, by name, that are numbers (`max_connections`).
        hours: how long the trouble lasts.
        step: seconds between two samples.

    Raises:
        DrillError: promtool can't be run, or refuses what it is given.
    """
    found: dict[str, Tried] = {}
    with Workshop("alerts") as workshop:
        for kind in rules.kinds:
            tried = found[kind] = Tried(rules.sha256(kind))
            of_kind = rules.of_kind(kind)
            unread = [r.subject for r in rules.alerting if r.unread]
            if not of_kind and unread:
                tried.unproved.append(
                    f"no rule that can be read tells of it; these can't be: {', '.join(unread)}"[:1000]
                )
            elif not of_kind:
                tried.findings.append("no rule reads a metric that tells of it")
            for rule in of_kind:
                trial = _Trial(workshop, promtool, rules, rule, kind, settings, hours, max(step, 1.0))
                trial.judge(tried)
            if tried.proved and set(tried.proved) == set(tried.late):
                tried.findings.extend(
                    f"{name} fires late: not yet at {_BAD.get(kind, 'all of it')}" for name in tried.late
                )
            elif of_kind and not (tried.proved or tried.findings or tried.unproved):
                others = ", ".join(r.subject for r in of_kind)
                tried.findings.append(
                    f"no rule fires in it; what reads its metrics is for something else: {others}"[:1000]
                )
    return found


@dataclass(frozen=True, slots=True)
class _Fired:
    """Whether an alert fires, as it stands and without its `for`."""

    fires: bool
    at_once: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What a rule does in trouble.

    Args:
        fires, at_once: as `_Fired`, in the worst.
        in_time: its condition holds short of that, too.
        well: it fires when all is well.
    """

    fires: bool
    at_once: bool
    in_time: bool
    well: bool


_Labels = Mapping[Selector, Sequence[Mapping[str, str]]]


@dataclass(slots=True)
class _Trial:
    workshop: Workshop
    promtool: str
    rules: AlertRules
    rule: Rule
    kind: str
    settings: Mapping[str, float]
    hours: float
    step: float

    def judge(self, tried: Tried) -> None:
        rule = self.rule
        if rule.trouble:
            tried.findings.append(f"{rule.subject}: {rule.trouble}")
            return
        if dead := self.rules.dead(rule):
            tried.findings.append(f"{rule.subject} never fires: Prometheus has no series of {', '.join(dead)}")
            return
        real = self._labels()
        trouble = self._in_trouble(real)
        if not trouble.fires and any(self._course(s.name) is None for s in real):
            # Where what it reads beside the trouble (a mode, a role) is 0 instead of 1.
            otherwise = self._in_trouble(real, beside=0)
            trouble = otherwise if otherwise.fires and not otherwise.well else trouble
        if trouble.fires and trouble.well:
            tried.findings.append(f"{rule.subject} fires although all is well")
        elif trouble.fires:
            tried.proved.append(rule.subject)
            tried.late += [] if trouble.in_time else [rule.subject]
        else:
            self._silent(tried, trouble, real)

    def _in_trouble(self, real: _Labels, *, beside: float = 1) -> _Outcome:
        """What the rule does in trouble, and when all is well."""
        shared, lone, bad, bad_lone, well = self._fire(
            [
                self._series(real, level="sick", beside=beside),
                self._series(real, level="sick", lone=True, beside=beside),
                self._series(real, level="bad", beside=beside),
                self._series(real, level="bad", lone=True, beside=beside),
                self._series(real, beside=beside),
            ]
        )
        return _Outcome(
            fires=shared.fires or lone.fires,
            at_once=shared.at_once or lone.at_once,
            in_time=bad.at_once or bad_lone.at_once,
            well=well.fires,
        )

    def _silent(self, tried: Tried, trouble: _Outcome, real: _Labels) -> None:
        """Why a rule doesn't fire in trouble."""
        rule = self.rule
        alike = {s: [_asked(s, {"instance": "x"})] for s in real}
        idle, silence, matching = self._fire(
            [self._series(real, zero=True), [], self._series(alike, level="sick", lone=True)]
        )
        never = f"{rule.subject} never fires"
        if idle.fires or silence.fires:
            pass  # it is for the opposite: that nobody is connected, that nothing is told any more
        elif trouble.at_once:
            lasting = f"its condition never holds for {_words(rule.seconds)} without a break"
            tried.findings.append(f"{never}: {lasting}, in {_words(self.hours * 3600)} of trouble")
        elif _CLOCK.search(rule.query):
            tried.unproved.append(f"{rule.subject} asks for the hour or the day, which a trial doesn't choose")
        elif matching.at_once:
            tried.findings.append(f"{never}: its parts have no labels in common by which they could match")
        else:
            tried.findings.append(f"{never}: no value that its metrics can take meets its condition: {rule.query}")

    # -- the world -------------------------------------------------------------------------------------------------

    def _labels(self) -> dict[Selector, list[dict[str, str]]]:
        """Selector -> the label sets of its series: those that are there, or, where nobody was asked, one of our own."""
        found: dict[Selector, list[dict[str, str]]] = {}
        read = self.rules.reads(self.rule)
        for selector in read:
            there = self.rules.labels.get(str(selector), ())
            sets = [{k: v for k, v in labels.items() if k != "__name__"} for labels in there[:_MOST_SERIES]]
            found[selector] = sets if self.rules.loaded else [_made(selector, read)]
        return found

    def _series(
        self,
        labels: _Labels,
        *,
        level: Literal["well", "bad", "sick"] = "well",
        lone: bool = False,
        zero: bool = False,
        beside: float = 1,
    ) -> list[dict[str, str]]:
        """A world.

        Args:
            level: how far the trouble goes.
            lone: whether one series alone has all of a figure that adds up; else they share it.
            zero: whether everything is nothing.
            beside: the value of what nothing is known of.
        """
        made: list[dict[str, str]] = []
        seen: set[str] = set()
        of_name: dict[str, int] = {}
        for selector, sets in labels.items():
            for own in sets:
                name = own.get("__name__", selector.name)
                notation = f"{name}{{{','.join(f'{k}={json.dumps(v)}' for k, v in sorted(own.items()))}}}"
                if notation in seen:
                    continue
                seen.add(notation)
                at = of_name[name] = of_name.get(name, -1) + 1
                share = 0.0 if zero else 1.0
                if not zero and re.fullmatch(_SHARED, name):
                    share = (1.0 if at == 0 else 0.0) if lone else 1 / len(sets)
                made.append({"series": notation, "values": self._values(name, level=level, share=share, beside=beside)})
        return made

    def _values(self, name: str, *, level: Literal["well", "bad", "sick"], share: float, beside: float) -> str:
        """In promtool's notation: `start+stepxcount`."""
        count = max(4, round(self.hours * 3600 / self.step))
        half = count // 2
        course = self._course(name) or _Course("gauge", beside, beside, beside)
        trouble = level != "well" and (
            re.fullmatch(SIGNALS[self.kind], name) or (self.kind == "slow-queries" and re.fullmatch(_LIKE_SLOW, name))
        )
        reached = course.bad if level == "bad" else course.sick
        match course.form:
            case "counter":
                return f"0+{_number((reached if trouble else course.well) * self.step * (share > 0))}x{count}"
            case "timestamp" if share:
                return f"{_number(-reached)}x{count}" if trouble else f"0+{_number(self.step)}x{count}"
        well, worst = course.well * share, reached * share
        if not trouble:
            return f"{_number(well)}x{count}"
        change = (worst - well) / half
        return (
            f"{_number(well)}{'-' if change < 0 else '+'}{_number(abs(change))}x{half - 1} "
            f"{_number(worst)}x{count - half}"
        )

    def _course(self, name: str) -> _Course | None:
        """None where nothing is known of a metric."""
        setting = re.fullmatch(r"pg_settings_(\w+?)(_seconds|_bytes)?", name)
        if setting:
            value = self.settings.get(setting[1], self.settings.get(name.removeprefix("pg_settings_"), 1.0))
            return _Course("gauge", value, value, value)
        if re.fullmatch(SIGNALS["connections"], name) and "wait" not in name:
            kept = ("superuser_reserved_connections", "reserved_connections")
            usable = self.settings.get("max_connections", 100) - sum(self.settings.get(k, 0) for k in kept)
            return _Course("gauge", 5, usable, usable)
        course = next((course for known, course in _COURSES if re.fullmatch(known, name)), None)
        if course and re.fullmatch(SIGNALS["wraparound"], name) and "perc" not in name:
            # A database that is vacuumed well goes as far as this, again and again.
            most = (
                "autovacuum_multixact_freeze_max_age" if re.search("mxid|_mx_", name) else "autovacuum_freeze_max_age"
            )
            return replace(course, well=self.settings.get(most, course.well))
        return course

    # -- promtool --------------------------------------------------------------------------------------------------

    def _fire(self, worlds: Sequence[Sequence[Mapping[str, str]]]) -> list[_Fired]:
        """Whether the alert fires at any time in each of some worlds."""
        seconds = self.hours * 3600
        interval = _duration(max(self.step, self.rule.interval))
        recorded = [
            {"record": r.name, "expr": r.query, "labels": dict(r.labels)}
            for r in reversed(self.rules.recorded(self.rule))
        ]
        alerts = [
            {"alert": name, "expr": self.rule.query, "for": held}
            for name, held in ((_ALERT, _duration(self.rule.seconds)), (_AT_ONCE, "0s"))
        ]

        def asked(name: str, world: int) -> str:
            firing = f'ALERTS{{alertname="{name}",alertstate="firing"}}[{_duration(seconds + 60)}]'
            return f"count(count_over_time({firing})) > bool 0 # {name} {world};"

        tests = [
            {
                "interval": _duration(self.step),
                "input_series": list(series),
                "promql_expr_test": [
                    {
                        "expr": asked(name, world),
                        "eval_time": _duration(seconds),
                        "exp_samples": [{"labels": "{}", "value": 1}],
                    }
                    for name in (_ALERT, _AT_ONCE)
                ],
            }
            for world, series in enumerate(worlds)
        ]
        folder = self.workshop.folder
        rules = {"groups": [{"name": "trial", "interval": interval, "rules": [*recorded, *alerts]}]}
        test = {"rule_files": ["rules.yml"], "evaluation_interval": interval, "tests": tests}
        (folder / "rules.yml").write_text(yaml.safe_dump(rules), encoding="utf-8")
        (folder / "test.yml").write_text(yaml.safe_dump(test), encoding="utf-8")
        try:
            done = self.workshop.run(
                [self.promtool, "test", "rules", folder / "test.yml"], check=False, text=True, cwd=folder
            )
        except OSError as error:
            raise DrillError(f"promtool can't be run: {type(error).__name__}; name it with --promtool") from error
        said = f"{done.stdout}\n{done.stderr}"
        silent = set(re.findall(rf"# ({_ALERT}|{_AT_ONCE}) (\d+);", said))
        if done.returncode and not silent:
            raise DrillError(f"promtool refuses the test of {self.rule.subject}: {' '.join(said.split())[-300:]}")
        return [
            _Fired((_ALERT, str(world)) not in silent, (_AT_ONCE, str(world)) not in silent)
            for world in range(len(worlds))
        ]


def _made(selector: Selector, beside: Iterable[Selector]) -> dict[str, str]:
    """Labels as the exporters give them: what another part of the rule picks by one, is there for this part, too."""
    labels = {"job": "postgres", "instance": "db:9187"}
    if selector.name.startswith("pg_"):
        labels["server"] = "db:5432"
    if selector.name.startswith("pg_stat_activity"):
        labels |= {"datname": "app", "state": "active"}
    elif selector.name.startswith(("pg_stat_database", "pg_database")):
        labels["datname"] = "app"
    elif selector.name.startswith("node_filesystem"):
        labels |= {"mountpoint": "/", "device": "/dev/sda1", "fstype": "ext4"}
    for other in beside:
        picked = tuple(m for m in other.matchers if m[0] in labels and m[1] in ("=", "=~"))
        labels |= _asked(Selector(name=other.name, matchers=picked), labels)
    return _asked(selector, labels)


def _asked(selector: Selector, given: dict[str, str]) -> dict[str, str]:
    """Labels, bent to what a selector asks for."""
    labels = dict(given)
    for label, operator, value in selector.matchers:
        if operator == "=":
            labels[label] = value
        elif operator == "=~" and not re.fullmatch(f"(?:{value})", labels.get(label, "")):
            labels[label] = _sample(value)
        elif operator in ("!=", "!~") and re.fullmatch(
            re.escape(value) if operator == "!=" else f"(?:{value})", labels.get(label, "")
        ):
            labels[label] = "another"
    return {label: value for label, value in labels.items() if value}


def _sample(pattern: str) -> str:
    """Some text that a pattern matches, where that is easily had; else what is left of it without its marks."""
    plain = re.sub(r"\.[*+]", "x", pattern.split("|", 1)[0].lstrip("(^").split("|", 1)[0])
    return re.sub(r"[\\^$()\[\]?*+]", "", plain)


def _number(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms" if seconds else "0s"


def _words(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def version_of(promtool: str) -> str:
    """What promtool says of itself.

    Raises:
        DrillError: it can't be run.
    """
    try:
        done = subprocess.run([promtool, "--version"], capture_output=True, text=True, check=True, timeout=RUN_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        raise DrillError(
            f"promtool can't be run ({type(error).__name__}); install Prometheus' tools, or name it with --promtool"
        ) from error
    return (done.stdout or done.stderr).splitlines()[0][:100]
