"""What people sign: it lifts a veto, or stands in where no probe can see, until it ends; and never more than that."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

import stage
from conftest import Database
from readiness import audit, policy, profile, recount, register, yamldoc
from readiness.audit import Audit, Request
from readiness.authoring import Answer, Check
from readiness.document import CheckPart
from readiness.embedded import Cluster
from readiness.model import (
    BINARY,
    Category,
    CheckInfo,
    Effort,
    NotApplicable,
    Observation,
    Priority,
    Reason,
    Unknown,
    Unseen,
)
from readiness.register import Attestation, Waiver
from readiness.scoring import Decision
from readiness.yamldoc import ConfigError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TODAY = NOW.date()
ODD = 'app.f(integer[], text[])"*?'


def made(check_id: str, answer: Callable[[], Answer], *, attestable: bool = False) -> Check:
    info = CheckInfo(
        id=check_id,
        title=f"{check_id} is well",
        category=Category(check_id.partition("/")[0]),
        priority=Priority.P0,
        effort=Effort.S,
        credit=BINARY,
        subject_kind="setting",
        universe="settings",
        why="w",
        mend="m",
        attestable=attestable,
    )
    return Check(info=info, facts={}, ask=answer, source="")


def unknown(reason: Reason) -> Callable[[], Answer]:
    return lambda: Unknown(reason=reason, detail="nobody can see")


CHECKS = [
    made("schema/risky", lambda: [Observation(subject="a", ok=False), Observation(subject=ODD, ok=False)]),
    made("schema/well", lambda: [Observation(subject="a", ok=True)]),
    made("security/sealed", unknown(Reason.NO_ATTESTATION), attestable=True),
    made("security/out-of-sight", unknown(Reason.NOT_OBSERVABLE), attestable=True),
    made("security/denied", unknown(Reason.NO_PERMISSION), attestable=True),
    made("security/slow", unknown(Reason.TIMEOUT), attestable=True),
    made("security/bad", lambda: Observation(subject="a", ok=False), attestable=True),
    made("security/none", lambda: NotApplicable("0 things"), attestable=True),
    made(
        "security/half-seen",
        lambda: [Observation(subject="a", ok=True), Unseen(subject="b", reason=Reason.NO_ATTESTATION, detail="hidden")],
        attestable=True,
    ),
]
POLICY = """
name: p
threshold: 0
minimum_coverage: 0
drop: [migration, performance, operations]
attested_cap: 5
must_haves:
  - {id: M1, title: No risk, checks: [schema/risky]}
"""


class Platform:
    """A profile's folder with its register, and a way to look at it."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self.folder, self.dsn = folder, dsn
        (folder / "readiness.yaml").write_text("name: p\n")
        self.policy = stage.write_policy(folder, POLICY)

    def waivers(self, *entries: dict[str, Any]) -> None:
        (self.folder / register.WAIVERS_FILE).write_text(yaml.safe_dump({"waivers": list(entries)}))

    def attestations(self, *entries: dict[str, Any]) -> None:
        (self.folder / register.ATTESTATIONS_FILE).write_text(yaml.safe_dump({"attestations": list(entries)}))

    def look(self, *, now: datetime = NOW, strict: bool = False) -> Audit:
        return audit.audit(
            Request(
                profile=profile.load(self.folder / "readiness.yaml", {}),
                policy=policy.load(str(self.policy), {}),
                dsn=self.dsn,
                strict=strict,
                now=lambda: now,
            )
        )

    def refused(self) -> str:
        with pytest.raises(ConfigError) as caught:
            self.look()
        return str(caught.value)


@pytest.fixture(scope="module")
def dsn(embedded_cluster: Cluster) -> Iterator[str]:
    with stage.database(embedded_cluster) as database:
        yield database.bare_dsn()


@pytest.fixture
def platform(tmp_path: Path, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Platform:
    monkeypatch.setattr(audit, "all_checks", lambda _source: CHECKS)
    return Platform(tmp_path, dsn)


def waiver(**own: Any) -> dict[str, Any]:
    return {
        "check": "schema/risky",
        "object": "*",
        "reason": "It is a test.",
        "owner": "Ann",
        "approver": "Bob",
        "ticket": "T-1",
        "created": TODAY - dt.timedelta(days=1),
        "expires": TODAY + dt.timedelta(days=1),
    } | own


def attestation(**own: Any) -> dict[str, Any]:
    return {
        "check": "security/sealed",
        "statement": "It is sealed.",
        "attested_by": "Ann",
        "role": "DBA",
        "date": TODAY - dt.timedelta(days=1),
        "valid_days": 30,
        "evidence": "https://example.org/scan",
        "sha256": "0" * 64,
    } | own


def part(found: Audit, check: str) -> CheckPart:
    return found.document.check(check)


# -- waivers ---------------------------------------------------------------------------------------------------


def test_a_waiver_lifts_the_veto_and_adds_no_point(platform: Platform):
    without = platform.look()
    assert without.card.decision is Decision.NO_GO
    platform.waivers(waiver())
    found = platform.look()
    assert found.card.decision is Decision.GO
    assert found.document.verdict.accepted_risk
    assert found.card.total == without.card.total
    risky = part(found, "schema/risky")
    assert (risky.status, risky.credit, [f.waived for f in risky.findings]) == ("fail", 0.0, [True, True])
    assert [(w.check, w.state, w.days_left) for w in found.document.waivers] == [("schema/risky", "active", 1)]
    assert "schema/risky" not in [b.check for b in found.document.blockers]


def test_a_go_ends_with_the_waiver_that_it_rests_on(platform: Platform):
    platform.waivers(waiver())
    assert platform.look().document.verdict.valid_until == datetime(2026, 11, 23, tzinfo=UTC)


def test_what_is_bound_to_a_profile_counts_for_no_other_one_beside_it(platform: Platform):
    name = yaml.safe_load((platform.folder / "readiness.yaml").read_text())["name"]
    platform.waivers(waiver(profile="staging"))
    platform.attestations(attestation(profile="staging"))
    found = platform.look(strict=True)
    assert found.card.decision is Decision.NO_GO
    assert (found.document.waivers, found.document.attestations) == ([], []), "it isn't told as unused either"
    assert part(found, "security/sealed").status == "unknown"
    platform.waivers(waiver(profile=name))
    platform.attestations(attestation(profile=name))
    bound = platform.look()
    assert bound.card.decision is Decision.GO
    assert part(bound, "security/sealed").status == "pass"
    assert recount.verify(bound.document.to_json()) == []
    platform.waivers(waiver(profile="staging", check="schema/none"))
    assert "schema/none" in platform.refused(), "what is bound elsewhere is read all the same"


def test_a_waiver_covers_what_it_names_and_no_more(platform: Platform):
    platform.waivers(waiver(object="a"))
    found = platform.look()
    assert found.card.decision is Decision.NO_GO
    assert [(f.subject, f.waived) for f in part(found, "schema/risky").findings] == [("a", True), (ODD, False)]
    platform.waivers(waiver(object="a"), waiver(object=ODD))
    assert platform.look().card.decision is Decision.GO


@pytest.mark.parametrize(
    ("pattern", "subject", "covered"),
    [
        ("*", 'any."thing"', True),
        ("auth.*", "auth.users", True),
        ("auth.*", "authority.users", False),
        ("auth.users", "auth.users2", False),
        ("*.users", "auth.users", True),
        ("app.f(integer[], text[])", "app.f(integer[], text[])", True),
        ('app."a[b]c"', 'app."a[b]c"', True),
        ('app."a[b]c"', 'app."abc"', False),
        ("app.what?", "app.what?", True),
        ("app.what?", "app.whats", False),
        ("Auth.users", "auth.users", False),
        ("app.*", 'app."new\\nline"', True),
    ],
)
def test_only_the_star_is_more_than_itself(pattern: str, subject: str, covered: bool):
    assert Waiver.model_validate(waiver(object=pattern)).covers(subject) is covered


def test_a_waiver_ends_on_its_day(platform: Platform):
    platform.waivers(waiver())
    last = datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)
    assert platform.look(now=last).card.decision is Decision.GO
    found = platform.look(now=last + dt.timedelta(seconds=1))
    assert found.card.decision is Decision.NO_GO
    assert [(w.state, w.days_left) for w in found.document.waivers] == [("expired", 0)]
    assert "ended" in found.document.waivers[0].note


def test_a_waiver_that_covers_nothing_is_told(platform: Platform):
    platform.waivers(waiver(), waiver(object="gone"), waiver(check="schema/well"), waiver(check="security/sealed"))
    found = platform.look()
    assert [w.state for w in found.document.waivers] == ["active", "unused", "unused", "unused"]
    assert found.card.decision is Decision.GO


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (
            {"check": "schema/riskey"},
            "waivers[0].check: no check is named 'schema/riskey'; did you mean 'schema/risky'?",
        ),
        ({"created": TODAY + dt.timedelta(days=1)}, "waivers[0].created: 2026-11-23 lies in the future"),
        ({"expires": TODAY - dt.timedelta(days=1)}, "waivers[0].expires: 2026-11-21 is not after 2026-11-21"),
        ({"expires": TODAY + dt.timedelta(days=90)}, "waivers[0].expires: it runs 91 days; the policy allows 90"),
        ({"expires": dt.date(9999, 12, 31)}, "the policy allows 90"),
        ({"expires": "soon"}, "expires"),
        ({"owner": ""}, "owner"),
        ({"ticket": None}, "ticket"),
        ({"surprise": 1}, "surprise: unknown key"),
    ],
)
def test_a_waiver_that_cannot_be_is_a_configuration_error(platform: Platform, own: dict[str, Any], said: str):
    platform.waivers(waiver(**own))
    message = platform.refused()
    assert said in message
    assert register.WAIVERS_FILE in message


@pytest.mark.parametrize("key", ["check", "object", "reason", "owner", "approver", "ticket", "created", "expires"])
def test_every_field_of_a_waiver_is_required(platform: Platform, key: str):
    platform.waivers({k: v for k, v in waiver().items() if k != key})
    assert f"{key!r} is missing" in platform.refused()


def test_all_problems_of_both_files_are_told_at_once(platform: Platform):
    platform.waivers(waiver(check="x/y"), waiver(created=TODAY + dt.timedelta(days=1)))
    platform.attestations(attestation(check="schema/well"))
    assert platform.refused().count("\n") >= 2


def test_a_register_that_the_profile_names_must_be_there(platform: Platform):
    (platform.folder / "readiness.yaml").write_text("name: p\nwaivers: signed/waivers.yaml\n")
    assert "signed/waivers.yaml: there is no such file" in platform.refused()
    (platform.folder / "signed").mkdir()
    (platform.folder / "signed" / "waivers.yaml").write_text(yaml.safe_dump({"waivers": [waiver()]}))
    assert platform.look().card.decision is Decision.GO


# -- attestations ----------------------------------------------------------------------------------------------


def test_an_attestation_stands_in_where_no_probe_can_see(platform: Platform):
    before = platform.look()
    platform.attestations(attestation(), attestation(check="security/out-of-sight"))
    found = platform.look()
    for check in ("security/sealed", "security/out-of-sight"):
        assert (part(found, check).status, part(found, check).evidence_kind) == ("pass", "attested")
    assert found.card.total.floor > before.card.total.floor
    assert found.card.total.floor - before.card.total.floor <= 5, "more than the policy's cap"
    assert Fraction(found.document.verdict.score_exact) == found.card.total.floor
    assert [a.state for a in found.document.attestations] == ["active", "active"]
    assert part(found, "security/sealed").seen[0].evidence["attested_by"] == "Ann"
    assert part(found, "security/sealed").expires == datetime(2026, 12, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("check", "status"),
    [
        ("security/denied", "unknown"),
        ("security/slow", "unknown"),
        ("security/bad", "fail"),
        ("security/none", "not_applicable"),
        ("security/half-seen", "unknown"),
    ],
)
def test_what_looking_answers_or_could_answer_is_not_attested(platform: Platform, check: str, status: str):
    before = platform.look()
    platform.attestations(attestation(check=check))
    found = platform.look()
    assert (part(found, check).status, part(found, check).evidence_kind) == (status, "measured")
    assert found.card.total == before.card.total
    assert [a.state for a in found.document.attestations] == ["unused"]


def test_evidence_that_is_a_file_is_the_one_that_was_signed(platform: Platform):
    scan = platform.folder / "scan.txt"
    scan.write_bytes(b"sealed")
    platform.attestations(attestation(evidence="scan.txt", sha256=hashlib.sha256(b"sealed").hexdigest()))
    assert part(platform.look(), "security/sealed").status == "pass"
    scan.write_bytes(b"unsealed")
    found = platform.look()
    assert part(found, "security/sealed").status == "unknown"
    assert [(a.state, "is not the file that was signed" in a.note) for a in found.document.attestations] == [
        ("refused", True)
    ]
    scan.unlink()
    found = platform.look()
    assert part(found, "security/sealed").status == "unknown"
    assert [(a.state, "can't be read" in a.note) for a in found.document.attestations] == [("refused", True)]


def test_an_attestation_ends_on_its_day(platform: Platform):
    platform.attestations(attestation(valid_days=2))
    last = datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)
    assert part(platform.look(now=last), "security/sealed").status == "pass"
    found = platform.look(now=last + dt.timedelta(seconds=1))
    assert part(found, "security/sealed").status == "unknown"
    assert [a.state for a in found.document.attestations] == ["expired"]


def test_of_two_attestations_the_one_that_holds_longer_counts(platform: Platform):
    platform.attestations(attestation(valid_days=90, statement="long"), attestation(statement="short"))
    found = platform.look()
    assert [s.subject for s in part(found, "security/sealed").seen] == ["long"]
    assert sorted(a.state for a in found.document.attestations) == ["active", "unused"]


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"check": "security/seald"}, "no check is named 'security/seald'; did you mean 'security/sealed'?"),
        ({"check": "schema/well"}, "schema/well is measured; it can't be attested"),
        ({"date": TODAY + dt.timedelta(days=1)}, "attestations[0].date: 2026-11-23 lies in the future"),
        ({"date": dt.date(9999, 12, 31)}, "lies in the future"),
        ({"valid_days": 400}, "valid_days: 400: expected less than or equal to 366"),
        ({"valid_days": 0}, "valid_days: 0: expected greater than 0"),
        ({"sha256": "abc"}, "sha256"),
        ({"statement": ""}, "statement"),
    ],
)
def test_an_attestation_that_cannot_be_is_a_configuration_error(platform: Platform, own: dict[str, Any], said: str):
    platform.attestations(attestation(**own))
    assert said in platform.refused()


def test_strict_names_each_entry_that_does_nothing(platform: Platform):
    platform.waivers(waiver(), waiver(object="gone"), waiver(expires=TODAY, created=TODAY - dt.timedelta(days=9)))
    platform.attestations(attestation(), attestation(check="security/bad"), attestation(valid_days=1))
    assert platform.look().not_strict == ()
    told = platform.look(strict=True).not_strict
    assert len(told) == 4
    assert sorted(line.split(": ")[1] for line in told) == ["expired", "expired", "unused", "unused"]


# -- the commands ----------------------------------------------------------------------------------------------

SEALED = "security/encryption-at-rest-unproven"
MEASURED = "performance/fk-without-index"


@pytest.fixture
def at(tmp_path: Path) -> Callable[..., stage.Done]:
    (tmp_path / "readiness.yaml").write_text("name: p\n")
    stage.write_policy(tmp_path)
    (tmp_path / "scan.txt").write_text("sealed")

    def command(name: str, *arguments: str) -> stage.Done:
        return stage.run(name, *arguments, "--policy", "policy.yaml", env=stage.environment(tmp_path), cwd=tmp_path)

    return command


def attest(*more: str, check: str = SEALED, evidence: str = "scan.txt") -> tuple[str, ...]:
    return (
        "attest",
        check,
        "--statement",
        "Sealed: yes # \"really\" 'so'",
        "--by",
        "Ännchen 🙂",
        "--role",
        "DBA",
        "--evidence",
        evidence,
        *more,
    )


def waive(*more: str, check: str = MEASURED, subject: str = "app.*") -> tuple[str, ...]:
    told = ("--reason", "- one\n- two: x", "--owner", "Ann", "--approver", "Bob", "--ticket", "#7")
    return ("waive", check, "--object", subject, *told, *more)


def test_attest_and_waive_write_what_an_audit_then_counts(
    at: Callable[..., stage.Done], tmp_path: Path, embedded_database: Database
):
    embedded_database.run("""
        create schema app; create table app.a (id int primary key); create table app.b (a int references app.a)
    """)
    for command in (attest("--bind"), waive(), waive("--bind", subject='app."Odd [x]":fk')):
        done = at(*command)
        assert done.code == 0, done.err
        assert "until 20" in done.out
    today = datetime.now(UTC).date()
    signed = yaml.safe_load((tmp_path / register.ATTESTATIONS_FILE).read_text())["attestations"]
    assert signed == [
        {
            "profile": "p",
            "check": SEALED,
            "statement": "Sealed: yes # \"really\" 'so'",
            "attested_by": "Ännchen 🙂",
            "role": "DBA",
            "date": today.isoformat(),
            "valid_days": 90,
            "evidence": "scan.txt",
            "sha256": hashlib.sha256(b"sealed").hexdigest(),
        }
    ]
    done = at("score", "-d", embedded_database.bare_dsn(), "-f", "json", "--strict")
    run = done.document
    assert {c["id"]: c["evidence_kind"] for c in run["checks"]}[SEALED] == "attested"
    assert [(w["state"], w["entry"]["object"], w["entry"].get("profile")) for w in run["waivers"]] == [
        ("active", "app.*", None),
        ("unused", 'app."Odd [x]":fk', "p"),
    ]
    assert run["waivers"][0]["entry"]["reason"] == "- one\n- two: x"
    assert done.code == 2
    assert f"readiness: {MEASURED}: unused: covers no finding; remove it (--strict)" in done.err
    # For another profile that lies beside it what is bound counts for nothing.
    (tmp_path / "other.yaml").write_text("name: other\n")
    beside = at("score", "-p", "other.yaml", "-d", embedded_database.bare_dsn(), "-f", "json").document
    assert [w["entry"]["object"] for w in beside["waivers"]] == ["app.*"]
    assert {c["id"]: c["evidence_kind"] for c in beside["checks"]}[SEALED] != "attested"
    (tmp_path / "readiness.yaml").unlink()
    nameless = at(*waive("--bind"))
    assert (nameless.code, "--bind: the profile has no `name`" in nameless.err) == (2, True)


FILES = {
    "nothing": "",
    "a comment": "# Ours.\n",
    "a marker": "---\n",
    "no entries": "waivers:\n",
    "no entries, no line end": "# Ours.\nwaivers:",
    "no indentation": "waivers:\n- {entry}\n",
    "two": "waivers:\n  - {entry}\n",
    "four": "# Ours.\nwaivers:\n    - {entry}   # kept\n    # and this\n\n# the end\n",
    "no line end": "waivers:\n  - {entry}",
    "windows": "waivers:\r\n  - {entry}\r\n",
    "wide": "waivers:\n  -   {entry}\n",
}


@pytest.mark.parametrize("name", FILES)
def test_an_entry_is_added_to_a_file_as_people_write_them(tmp_path: Path, name: str):
    path = tmp_path / "w.yaml"
    flow = ", ".join(f'{k}: "{v}"' for k, v in waiver(reason="first").items())
    before = FILES[name].replace("{entry}", "{" + flow + "}")
    path.write_bytes(before.encode())
    entries = [Waiver.model_validate(waiver(reason=f"new {n}", object=ODD)) for n in range(2)]
    for entry in entries:
        register.append(path, "waivers", entry)
    text = path.read_text()
    document = yamldoc.parse(text, "w.yaml")
    kept = yamldoc.validate(register._Waivers, document).waivers
    assert list(kept[-2:]) == entries
    assert [w.reason for w in kept[:-2]] == (["first"] if "{entry}" in FILES[name] else [])
    for line in before.replace("\r", "").splitlines():
        assert line in text


@pytest.mark.parametrize(
    "before", ["waivers: []\n", "waivers: {}\n", "waivers: 7\n", "weavers:\n", "waivers: [\n", "- a\n"]
)
def test_a_file_that_is_not_one_is_left_alone(tmp_path: Path, before: str):
    path = tmp_path / "w.yaml"
    path.write_text(before)
    with pytest.raises(ConfigError, match=r"w\.yaml"):
        register.append(path, "waivers", Waiver.model_validate(waiver()))
    assert path.read_text() == before


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "a: b",
        "# no comment",
        "- dash",
        "'single' \"double\"",
        "line\nbreak\n\n  and more",
        "no",
        "010",
        "2026-01-01",
        "x" * 300,
        "a b " * 80,
        "🙂 ü \u202e",
        "{a}",
        "%x",
        "@x",
        "`x`",
        " lead and trail ",
    ],
)
def test_any_text_comes_back_as_it_was_signed(tmp_path: Path, text: str):
    path = tmp_path / "a.yaml"
    entry = Attestation.model_validate(attestation(statement=text, role=text))
    register.append(path, "attestations", entry)
    document = yamldoc.read(path)
    assert yamldoc.validate(register._Attestations, document).attestations == (entry,)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (attest(check="security/encription-at-rest-unproven"), f"did you mean '{SEALED}'?"),
        (attest(check=MEASURED), f"{MEASURED} is measured; it can't be attested"),
        (attest(evidence="https://example.org/scan"), "--sha256: a link's content can't be computed here"),
        (attest(evidence="no-such-file"), "no-such-file: can't be read"),
        (attest("--sha256", "abc"), "--sha256"),
        (attest("--date", "2999-01-01"), "2999-01-01 lies in the future"),
        (attest("--date", "9999-12-31"), "9999-12-31 lies in the future"),
        (attest("--date", "tomorrow"), "--date tomorrow: expected YYYY-MM-DD"),
        (attest("--valid-days", "0"), "--valid-days"),
        (attest("--by", ""), "--attested_by"),
        (waive(check="performance/fk-without-indx"), f"did you mean '{MEASURED}'?"),
        (waive("--days", "91"), "--days 91: the policy allows 90 at most"),
        (waive("--days", "0"), "--days"),
        (waive("--ticket", ""), "--ticket"),
    ],
)
def test_what_could_not_count_is_not_written(
    at: Callable[..., stage.Done], tmp_path: Path, command: tuple[str, ...], said: str
):
    before = sorted(p.name for p in tmp_path.iterdir())
    done = at(*command)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "Traceback" not in done.err
    assert sorted(p.name for p in tmp_path.iterdir()) == before
