"""What watches the platform: Prometheus' alert rules by what they mean, what it has scraped, and whom Alertmanager tells.

A rule means what the metrics that it reads mean: its name is anybody's guess. Expressions are parsed by a library of
Prometheus' own grammar (the extra `monitoring`); asked are the documented HTTP APIs of both, with GET alone.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import yaml

from readiness.authoring import Unobservable
from readiness.facts import mute_times, routing
from readiness.facts.http import exchange
from readiness.facts.relabeling import relabeled
from readiness.facts.target import Target, declared
from readiness.model import Reason
from readiness.profile import Monitoring

MOST_BYTES = 32_000_000
LOOK_BACK_SECONDS = 3600
"""A metric that had no sample for so long has none."""

# Metric -> what it tells, for the exporters that are common: postgres_exporter, pgbouncer_exporter, pgbackrest_exporter,
# node_exporter, CloudNativePG, Crunchy's, pgmonitor's, the clouds' own. Only signals: limits and counts beside them say
# nothing by themselves.
SIGNALS: Mapping[str, str] = {
    "connections": (
        r"pg_stat_activity_count|pg_stat_database_numbackends|pgbouncer_pools_client_(waiting_connections|maxwait_seconds)|"
        r"pgbouncer_pools_(cl_waiting|maxwait)|cnpg_backends_total|cnpg_backends_waiting_total|"
        r"ccp_connection_stats_(total|active|idle)|aws_rds_database_connections_(average|maximum)|"
        r"cloudsql_database_postgresql_num_backends|postgresql_backends"
    ),
    "slow-queries": (
        r"pg_stat_activity_max_tx_duration|pg_stat_database_active_time(_seconds)?(_total)?|"
        r"pg_stat_statements_\w*(time|seconds|duration)\w*|pg_long_running_transactions(_oldest_timestamp_seconds)?|"
        r"pgbouncer_stats_(queries_duration_seconds|queries_duration_seconds_total|total_query_time|avg_query_time)|"
        r"cnpg_backends_max_tx_duration_seconds|ccp_stat_statements_\w*(time|seconds)\w*|readiness_query_p95_seconds"
    ),
    "replication-lag": (
        r"pg_replication_lag(_seconds)?|pg_stat_replication_\w*(lag|diff)\w*|pg_replication_slots?_\w*(lag|diff|bytes)\w*|"
        r"cnpg_pg_replication_lag|ccp_replication_(lag|slots)_\w+|aws_rds_replica_lag_(average|maximum)|"
        r"patroni_xlog_replayed_timestamp"
    ),
    "backup-age": (
        r"pgbackrest_backup_(since_last_completion|full_since_last_completion|incr_since_last_completion|"
        r"diff_since_last_completion)_seconds|pgbackrest_backup_\w*timestamp\w*|ccp_backrest_last_\w*(time|seconds)\w*|"
        r"barman_\w*(last|age)\w*|walg_\w*(last|age|time)\w*|cnpg_collector_last_available_backup_timestamp|"
        r"velero_backup_last_successful_timestamp"
    ),
    "disk": (
        r"node_filesystem_(avail|free)_bytes|kubelet_volume_stats_available_bytes|windows_logical_disk_free_bytes|"
        r"aws_rds_free_storage_space_(average|minimum)|ccp_nodemx_data_disk_available_bytes"
    ),
    "wraparound": (
        r"pg_database_wraparound_age_\w+|pg_(database|stat_database|class)_\w*(xid|frozen|mxid)\w*|pg_(txid|xid|wraparound)_?\w*age\w*|"
        r"cnpg_pg_database_(xid|mx)_age|ccp_transaction_wraparound\w*|pg_transaction_id_age\w*"
    ),
}
_STATES = ("active", "idle", "idle in transaction", "idle in transaction (aborted)")
_CLOCK = re.compile(r"\b(time|timestamp|minute|hour|day_of_\w+|days_in_month|month|year|absent\w*)\s*\(")
_DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w|y)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """A vector selector: a metric with what it asks of its labels.

    Args:
        matchers: (label, operator, value); the operators are =, !=, =~ and !~.
    """

    name: str
    matchers: tuple[tuple[str, str, str], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics that it may be of: its own, or those that it lists (`{__name__=~"a|b"}`)."""
        listed = [value for label, op, value in self.matchers if label == "__name__" and op == "=~"]
        return (self.name,) if self.name else tuple(name for value in listed for name in value.split("|"))

    @property
    def of_idle_transactions(self) -> bool:
        """It picks sessions by their state, and neither those at work nor those that wait for work."""
        states = [(op, value) for label, op, value in self.matchers if label == "state" and op in ("=", "=~")]
        picked = {s for s in _STATES if all(_picks(op, value, s) for op, value in states)}
        return bool(picked) and not picked & {"active", "idle"}

    def __str__(self) -> str:
        inside = ",".join(f"{label}{op}{json.dumps(value, ensure_ascii=False)}" for label, op, value in self.matchers)
        return f"{self.name}{{{inside}}}" if inside else self.name


def _picks(operator: str, value: str, text: str) -> bool:
    if operator == "=":
        return text == value
    try:
        return re.fullmatch(f"(?:{value})", text) is not None
    except re.error:  # Go's expressions have forms that ours don't
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An alerting or a recording rule.

    Args:
        at: where it stands: its group, its file's name.
        seconds: how long the condition must hold.
        interval: seconds between two evaluations.
        trouble: what Prometheus says is wrong with it.
        unread: why its expression could not be read by us.
        selectors: what its expression reads, without what recording rules read for it.
        labels: that it gives its alerts, those that are made of templates left out.
        firing: it fires now.
    """

    name: str
    at: str
    alerting: bool
    query: str
    seconds: float
    interval: float
    trouble: str | None
    unread: str | None
    selectors: tuple[Selector, ...]
    labels: Mapping[str, str]
    firing: bool = False

    @property
    def subject(self) -> str:
        return f"{self.name} ({self.at})"

    @property
    def constant(self) -> bool:
        """It fires, and always will: it reads neither a series nor a clock."""
        return self.firing and not self.selectors and not self.unread and not _CLOCK.search(self.query)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRules:
    """The rules that there are.

    Args:
        loaded: whether a Prometheus has them; else they stand in files.
        labels: selector -> the label sets of its series in the last hour; empty where nobody could be asked.
        kinds: what must raise an alert.
        step: the longest interval, in seconds, at which Prometheus scrapes; None where nobody could be asked.
    """

    rules: tuple[Rule, ...]
    loaded: bool
    labels: Mapping[str, tuple[Mapping[str, str], ...]]
    kinds: tuple[str, ...]
    step: float | None = None

    @property
    def alerting(self) -> tuple[Rule, ...]:
        return tuple(r for r in self.rules if r.alerting)

    def recorded(self, rule: Rule) -> tuple[Rule, ...]:
        """The recording rules that a rule reads, directly or through others."""
        found: list[Rule] = []
        waiting = [rule]
        while waiting:
            names = {s.name for s in waiting.pop().selectors}
            more = [r for r in self.rules if not r.alerting and r.name in names and r not in found]
            found += more
            waiting += more
        return tuple(found)

    def reads(self, rule: Rule) -> tuple[Selector, ...]:
        """What a rule reads that no rule records."""
        recorded = self.recorded(rule)
        names = {r.name for r in recorded}
        everything = [s for r in (rule, *recorded) for s in r.selectors]
        return tuple(dict.fromkeys(s for s in everything if s.name not in names))

    def means(self, rule: Rule) -> tuple[str, ...]:
        """The kinds of trouble that a rule's metrics tell of."""
        names = [name for s in self.reads(rule) if not s.of_idle_transactions for name in s.names]
        return tuple(kind for kind, known in SIGNALS.items() if any(re.fullmatch(known, name) for name in names))

    def of_kind(self, kind: str) -> tuple[Rule, ...]:
        return tuple(r for r in self.alerting if kind in self.means(r))

    def sha256(self, kind: str) -> str:
        """Of the rules of a kind: a proof counts for these."""
        texts = sorted(
            f"{r.name} {r.seconds} {r.query}{'' if r.alerting or not r.labels else sorted(r.labels.items())}"
            for a in self.of_kind(kind)
            for r in (a, *self.recorded(a))
        )
        return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]

    def dead(self, rule: Rule) -> list[str]:
        """The selectors without a series that keep a rule from ever firing; none are known where nobody was asked."""
        if not self.loaded:
            return []
        empty = {str(s) for s in self.reads(rule) if not self.labels.get(str(s))}
        readable = [r for r in (rule, *self.recorded(rule)) if not r.unread]
        found = {s for r in readable for s in _dead(_parse(r.query), empty)}
        return sorted(found)

    @classmethod
    def take(cls, target: Target) -> Self:
        own = _declared(target)
        rules = _loaded(own, target) if own.prometheus else _in_files(own, target)
        if own.prometheus and own.rule_files:
            names = {(r.alerting, r.name) for r in rules}
            said = "it stands in a file that Prometheus has not loaded"
            rules += [replace(r, trouble=said) for r in _in_files(own, target) if (r.alerting, r.name) not in names]
        made = cls(rules=tuple(rules), loaded=own.prometheus is not None, labels={}, kinds=required(target))
        if own.prometheus is None:
            return made
        asked = {str(s): None for r in made.alerting for s in made.reads(r)}
        api = Api.of(own, target)
        now = api.now()
        labels = {selector: api.series(selector, now) for selector in asked}
        targets = api.get("targets", state="active").get("activeTargets") or ()
        step = max((seconds_of(str(t.get("scrapeInterval") or "")) for t in targets), default=0.0)
        return cls(rules=made.rules, loaded=True, labels=labels, kinds=made.kinds, step=step or None)


def required(target: Target) -> tuple[str, ...]:
    """What must raise an alert; without standbys there is no lag."""
    own = target.profile.monitoring
    if "alerts" not in own.model_fields_set and target.profile.targets.standbys == 0:
        return tuple(kind for kind in own.alerts if kind != "replication-lag")
    return own.alerts


def _declared(target: Target) -> Monitoring:
    declared(target.profile, "monitoring")
    own = target.profile.monitoring
    if own.prometheus is None and not own.rule_files:
        raise Unobservable(
            Reason.NOT_CONFIGURED,
            "the profile doesn't say where the alert rules are",
            "declare `monitoring.prometheus:`, or `monitoring.rule_files:`, in the profile",
        )
    return own


# -- expressions ---------------------------------------------------------------------------------------------------


def _library() -> Any:
    try:
        return import_module("promql_parser")
    except ImportError:
        raise Unobservable(
            Reason.UNSUPPORTED,
            "reading alert rules needs a parser of PromQL, which is not installed",
            "pip install 'readiness[monitoring]'",
        ) from None


def _parse(query: str) -> Any:
    """Raises: ValueError: it is no expression."""
    return _library().parse(query)


_OPERATORS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


def _selector(node: Any) -> Selector:
    matchers = [(m.name, _OPERATORS[str(m.op).rpartition(".")[2]], m.value) for m in node.matchers.matchers]
    named = next((value for label, op, value in matchers if label == "__name__" and op == "="), None)
    name = node.name or named or ""
    return Selector(name=name, matchers=tuple(m for m in matchers if m[0] != "__name__" or m[1] != "="))


def _below(node: Any) -> Iterator[Any]:
    """The parts of an expression."""
    for part in ("lhs", "rhs", "expr", "vector_selector", "param"):
        if (child := getattr(node, part, None)) is not None:
            yield child
    yield from getattr(node, "args", None) or ()


def selectors(node: Any) -> list[Selector]:
    """What an expression reads."""
    if type(node).__name__ == "VectorSelector":
        return [_selector(node)]
    return [s for child in _below(node) for s in selectors(child)]


def _dead(node: Any, empty: set[str]) -> list[str]:
    """The selectors without series that leave an expression without a result."""
    kind = type(node).__name__
    if kind == "VectorSelector":
        text = str(_selector(node))
        return [text] if text in empty else []
    if kind == "Call" and node.func.name in ("absent", "absent_over_time", "vector", "scalar"):
        return []
    if kind == "BinaryExpr":
        operator = str(node.op).lower()
        left, right = _dead(node.lhs, empty), _dead(node.rhs, empty)
        if operator == "or":
            return [*left, *right] if left and right else []
        return left if operator == "unless" else [*left, *right]
    return [s for child in _below(node) for s in _dead(child, empty)]


def seconds_of(text: str) -> float:
    """Of a duration as Prometheus writes it: `1h30m`; 0 where there is none."""
    return sum(int(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text or ""))


# -- rules ---------------------------------------------------------------------------------------------------------


def _rule(
    name: str,
    at: str,
    *,
    alerting: bool,
    query: str,
    seconds: float,
    interval: float,
    trouble: str | None,
    labels: Mapping[str, Any] | None,
    firing: bool = False,
) -> Rule:
    unread = None
    try:
        read = tuple(dict.fromkeys(selectors(_parse(query))))
    except ValueError as error:
        read, unread = (), f"its expression can't be read: {error}"[:300]
    return Rule(
        name=name,
        at=at,
        alerting=alerting,
        query=query,
        seconds=seconds,
        interval=interval,
        trouble=trouble,
        unread=unread,
        selectors=read,
        labels={str(k): str(v) for k, v in (labels or {}).items() if "{{" not in str(v)},
        firing=firing,
    )


def _loaded(own: Monitoring, target: Target) -> list[Rule]:
    """https://prometheus.io/docs/prometheus/latest/querying/api/#rules"""
    told = Api.of(own, target).get("rules")
    try:
        return [
            _rule(
                r["name"],
                group["name"],
                alerting=r["type"] == "alerting",
                query=r["query"],
                seconds=float(r.get("duration", 0)),
                interval=float(group.get("interval") or 60),
                trouble=r.get("lastError") or ("it can't be evaluated" if r.get("health") == "err" else None),
                labels=r.get("labels"),
                firing=r.get("state") == "firing",
            )
            for group in told["groups"]
            for r in group["rules"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise Unobservable(Reason.ERROR, "Prometheus' rules are not of the form that its API has") from error


def _in_files(own: Monitoring, target: Target) -> list[Rule]:
    """Prometheus' own rule files, and the custom resources that its operator takes (`spec.groups`)."""
    found: list[Rule] = []
    for pattern in own.rule_files:
        paths = sorted(p for p in target.folder.glob(pattern) if p.is_file())
        if not paths:
            raise Unobservable(
                Reason.NOT_CONFIGURED,
                f"no file of alert rules matches {pattern}",
                "mend `monitoring.rule_files:` in the profile",
            )
        for path in paths:
            found += _in_file(path)
    return found


def _in_file(path: Path) -> list[Rule]:
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        groups = [g for d in documents if d for g in (d.get("groups") or (d.get("spec") or {}).get("groups") or ())]
        return [
            _rule(
                r.get("alert") or r["record"],
                f"{path.name}, {group['name']}",
                alerting="alert" in r,
                query=str(r["expr"]),
                seconds=seconds_of(str(r.get("for") or "")),
                interval=seconds_of(str(group.get("interval") or "")) or 60,
                trouble=None,
                labels=r.get("labels"),
            )
            for group in groups
            for r in group.get("rules") or ()
        ]
    except (OSError, UnicodeDecodeError) as error:
        raise Unobservable(Reason.ERROR, f"{path.name} can't be read: {type(error).__name__}") from error
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise Unobservable(
            Reason.ERROR, f"{path.name} is no file of Prometheus' rules", "`promtool check rules` says where"
        ) from error


# -- Prometheus and Alertmanager -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Prometheus' HTTP API."""

    url: str
    token: str
    seconds: float

    @classmethod
    def of(cls, own: Monitoring, target: Target) -> Self:
        assert own.prometheus is not None
        token = own.token.get_secret_value() if own.token else ""
        return cls(url=own.prometheus, token=token, seconds=target.profile.probing.http_timeout_seconds)

    def get(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer.

        Raises:
            Unobservable: there is none.
        """
        query = f"?{urlencode(parameters)}" if parameters else ""
        body = ask(f"{self.url.rstrip('/')}/api/v1/{path}{query}", self.token, self.seconds, "Prometheus")
        if not isinstance(body, dict) or body.get("status") != "success":
            said = str(body.get("error") or "")[:200] if isinstance(body, dict) else ""
            raise Unobservable(Reason.ERROR, f"Prometheus refuses {path}: {said or 'no success'}")
        return body.get("data")

    def query(self, expression: str) -> list[tuple[Mapping[str, str], float, float]]:
        """(labels, time of the sample, value) of each element of an instant vector."""
        told = self.get("query", query=expression)
        try:
            return [(r["metric"], float(r["value"][0]), float(r["value"][1])) for r in told["result"]]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise Unobservable(Reason.ERROR, "Prometheus' answer is not of the form that its API has") from error

    def now(self) -> float:
        """Prometheus' own clock, in seconds since the epoch."""
        (now,) = [value for _, _, value in self.query("vector(time())")]
        return now

    def series(self, selector: str, now: float) -> tuple[Mapping[str, str], ...]:
        """The label sets of a selector's series in the last hour."""
        told = self.get(
            "series", **{"match[]": selector, "start": f"{now - LOOK_BACK_SECONDS:.0f}", "end": f"{now + 60:.0f}"}
        )
        return tuple(s for s in told if isinstance(s, dict)) if isinstance(told, list) else ()


def ask(url: str, token: str, seconds: float, what: str) -> Any:
    """The JSON that an address answers.

    Raises:
        Unobservable: it answers none.
    """
    headers = {"Authorization": f"Bearer {token}"} if token and url.startswith("https:") else {}
    reply = exchange("GET", url, seconds, headers=headers, most_bytes=MOST_BYTES)
    if reply.error is not None:
        raise Unobservable(Reason.UNREACHABLE, f"{what}: {reply.error}")
    if reply.status in (401, 403):
        raise Unobservable(
            Reason.NO_PERMISSION, f"{what}: HTTP {reply.status}", "name `monitoring.token:` in the profile"
        )
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError) as error:
        raise Unobservable(Reason.ERROR, f"{what}: HTTP {reply.status}, and no JSON") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRoutes:
    """Who is told.

    Args:
        active: Alertmanagers that Prometheus sends alerts to.
        dropped: those that it can't send to.
        mute: the receivers of Alertmanager's routes, where all of them tell nobody; None where it was not asked.
        why: it was not.
        silenced: silences that match every alert.
        reached: trouble that has sound rules -> of each of them, why its alerts are sure to reach nobody, where all are; empty
            where some may reach somebody; or why that can't be told.
    """

    active: int
    dropped: int
    mute: tuple[str, ...] | None
    why: str
    silenced: tuple[str, ...]
    reached: Mapping[str, tuple[str, ...] | Unobservable]

    @classmethod
    def take(cls, target: Target) -> Self:
        declared(target.profile, "monitoring")
        own = target.profile.monitoring
        if own.prometheus is None:
            raise Unobservable(
                Reason.NOT_CONFIGURED,
                "the profile doesn't name a Prometheus that could tell",
                "declare `monitoring.prometheus:` in the profile",
            )
        active, dropped = _alertmanagers(Api.of(own, target))
        if own.alertmanager is None:
            return cls(
                active=active,
                dropped=dropped,
                mute=None,
                why="the profile names no Alertmanager",
                silenced=(),
                reached={},
            )
        token = own.token.get_secret_value() if own.token else ""
        seconds = target.profile.probing.http_timeout_seconds
        base = f"{own.alertmanager.rstrip('/')}/api/v2"
        try:
            status = ask(f"{base}/status", token, seconds, "Alertmanager")
            silences = ask(f"{base}/silences?active=true", token, seconds, "Alertmanager")
            config = yaml.safe_load(status["config"]["original"])
            mute, silenced = _mute(config), _blanket(silences)
            reached = _reached(config, silences, target)
        except Unobservable as refusal:
            return cls(active=active, dropped=dropped, mute=None, why=refusal.detail, silenced=(), reached={})
        except (KeyError, TypeError, AttributeError, yaml.YAMLError):
            why = "Alertmanager's answer is not of the form that its API has"
            return cls(active=active, dropped=dropped, mute=None, why=why, silenced=(), reached={})
        return cls(active=active, dropped=dropped, mute=mute, why="", silenced=silenced, reached=reached)


_SETTLING = 10  # seconds: its discovery hands over what it found every five


def _alertmanagers(api: Api) -> tuple[int, int]:
    """Those that Prometheus sends to, and those that it can't send to.

    As long as it has not looked for them since it loaded its configuration, it knows none: it is asked again then.
    """
    until = time.monotonic() + _SETTLING
    while True:
        told = api.get("alertmanagers")
        active, dropped = (len(told.get(k) or ()) for k in ("activeAlertmanagers", "droppedAlertmanagers"))
        if active or dropped or time.monotonic() > until or not _looks_for_them(api):
            return active, dropped
        time.sleep(0.5)


def _looks_for_them(api: Api) -> bool:
    """Whether the configuration names Alertmanagers, and was loaded a moment ago."""
    try:
        config = yaml.safe_load(api.get("status/config")["yaml"])
        loaded = datetime.fromisoformat(api.get("status/runtimeinfo")["lastConfigTime"])
        named = (config.get("alerting") or {}).get("alertmanagers")
        return bool(named) and api.now() - loaded.timestamp() < _SETTLING
    except (Unobservable, KeyError, TypeError, ValueError, AttributeError, yaml.YAMLError):
        return False


def _reached(
    config: Mapping[str, Any], silences: Sequence[Mapping[str, Any]], target: Target
) -> Mapping[str, tuple[str, ...] | Unobservable]:
    """As `AlertRoutes.reached`."""
    try:
        rules = AlertRules.take(target)
        api = Api.of(target.profile.monitoring, target)
        sent = _Sent.by(api)
        now = datetime.fromtimestamp(api.now(), UTC)
    except Unobservable as refusal:
        return {"the alerts of each trouble": refusal}
    telling, intervals = routing.told(config), mute_times.intervals(config)
    constant = {r.subject: labels for r in rules.alerting if r.constant and (labels := sent.labels(r)) is not None}

    def unheard(rule: Rule) -> str | None:
        labels = sent.labels(rule)
        if labels is None:
            return "is dropped by alert_relabel_configs"
        if by := routing.silenced(silences, labels):
            return f"is silenced by {', '.join(by)}"
        if by := routing.inhibited(config.get("inhibit_rules") or (), labels, constant):
            return f"is inhibited by {', '.join(by)}, which always fires"
        heard = {
            (end.receiver, mute_times.muted(end.route, intervals, now) if end.receiver in telling else "tells nobody")
            for end in routing.ends(config["route"], labels)
        }
        why = [f"{receiver} ({said})" for receiver, said in heard if said is not None]
        return f"goes to {', '.join(sorted(why))}" if len(why) == len(heard) else None

    found: dict[str, tuple[str, ...] | Unobservable] = {}
    for kind in rules.kinds:
        sound = [r for r in rules.of_kind(kind) if not r.trouble and not rules.dead(r)]
        why = [f"{rule.subject} {said}" for rule in sound if (said := unheard(rule)) is not None]
        if sound:
            found[kind] = tuple(why) if len(why) == len(sound) else ()
    return found


@dataclass(frozen=True, slots=True)
class _Sent:
    """What Prometheus makes of alerts before it sends them: for all, and for each Alertmanager of its configuration."""

    every: Sequence[Mapping[str, Any]]
    each: tuple[Sequence[Mapping[str, Any]], ...]

    @classmethod
    def by(cls, api: Api) -> Self:
        """Raises: Unobservable: Prometheus doesn't show its configuration."""
        try:
            alerting = yaml.safe_load(api.get("status/config")["yaml"]).get("alerting") or {}
            each = tuple(a.get("alert_relabel_configs") or () for a in alerting.get("alertmanagers") or ())
            return cls(alerting.get("alert_relabel_configs") or (), each)
        except (KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
            raise Unobservable(Reason.ERROR, "Prometheus' configuration is not of the form that its API has") from error

    def labels(self, rule: Rule) -> Mapping[str, str] | None:
        """Those of its alerts that are known where they arrive; None where they are sure to be dropped."""
        known = relabeled(self.every, {**rule.labels, "alertname": rule.name})
        if known is None or not self.each:
            return known
        arriving = [labels for steps in self.each if (labels := relabeled(steps, known)) is not None]
        if not arriving:
            return None
        return dict(set.intersection(*(set(labels.items()) for labels in arriving)))


def _mute(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The receivers of all routes, if none of them has an integration that tells anybody."""
    telling = routing.told(config)

    def used(route: Mapping[str, Any], inherited: str) -> Iterator[str]:
        receiver = route.get("receiver") or inherited
        yield receiver
        for below in route.get("routes") or ():
            yield from used(below, receiver)

    root = config["route"]
    names = list(dict.fromkeys(used(root, root["receiver"])))
    # A route of its own to nobody, for what shall be quiet, is a choice; where all of them lead there, nobody is told.
    return () if telling & set(names) else tuple(names)


def _blanket(silences: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Active silences that every alert matches: their only matchers take any name or any value."""
    found = []
    for silence in silences:
        matchers = silence.get("matchers") or ()
        every = all(m.get("isRegex") and m.get("isEqual", True) and m.get("value") in (".*", ".+") for m in matchers)
        if matchers and every and (silence.get("status") or {}).get("state", "active") == "active":
            found.append(str(silence.get("id"))[:40])
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapedDatabase:
    """What Prometheus has of the audited server.

    Args:
        age: of the exporter's newest sample, in seconds; None where there is none.
        reached: whether the exporter reaches the database with its role; None where it doesn't tell.
        failing: whether its last scrape had errors.
        started_at: the server's start as the exporter tells it; None where it doesn't.
        databases: those whose size it tells.
        down: the exporter's scrape targets that don't answer.
        instances: how many exporters there are that match.
        fresh_seconds: how old the newest sample may be.
    """

    age: float | None
    reached: bool | None
    failing: bool
    started_at: float | None
    databases: frozenset[str]
    down: tuple[str, ...]
    instances: int
    fresh_seconds: float

    @classmethod
    def take(cls, target: Target) -> Self:
        declared(target.profile, "monitoring")
        own = target.profile.monitoring
        if own.prometheus is None:
            raise Unobservable(
                Reason.NOT_CONFIGURED,
                "the profile doesn't name a Prometheus",
                "declare `monitoring.prometheus:` in the profile",
            )
        api = Api.of(own, target)
        labels = ",".join(f"{label}={json.dumps(value)}" for label, value in sorted(own.labels.items()))
        up = ",".join(filter(None, ('__name__=~"pg_up|cnpg_collector_up"', labels)))
        now = api.now()
        # The newest sample; of a series that is stale by now, the last second that it was seen in, or quarter of a minute
        # where that is longer ago: a subquery looks at its own steps alone, and one that lived between two isn't in it.
        at = f"timestamp({{{up}}})"
        lately, before = f"max_over_time({at}[2m:1s])", f"max_over_time({at}[1h:15s])"
        ages = api.query(f"max by (instance, job) ({at} or {lately} or {before})")
        reached = api.query(f"{{{up}}}")
        errors = api.query(f"pg_exporter_last_scrape_error{{{labels}}} > 0")
        starts = api.query(f"pg_postmaster_start_time_seconds{{{labels}}}")
        sizes = api.query(f"count by (datname) (pg_database_size_bytes{{{labels}}})")
        known = {(m.get("job"), m.get("instance")) for m, _, _ in ages}
        targets = api.get("targets", state="active").get("activeTargets") or ()
        return cls(
            age=None if not ages else max(0.0, now - max(value for _, _, value in ages)),
            reached=all(value == 1 for _, _, value in reached) if reached else None,
            failing=bool(errors),
            started_at=starts[0][2] if len(starts) == 1 else None,
            databases=frozenset(m.get("datname", "") for m, _, _ in sizes),
            down=tuple(
                f"{t['labels'].get('job')}/{t['labels'].get('instance')}"
                for t in targets
                if t.get("health") == "down" and (t["labels"].get("job"), t["labels"].get("instance")) in known
            ),
            instances=len(known),
            fresh_seconds=own.fresh_seconds,
        )
