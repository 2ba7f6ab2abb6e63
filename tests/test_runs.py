"""What is done with saved runs on the command line: verified, compared, gated, listed, weighed again; by the exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

import stage
from conftest import Database
from readiness import document
from readiness.embedded import Cluster
from test_cli import Place, libpq

CHECKS = {
    "schema/kept.sql": stage.sql_check(
        "select format('%I.%I', ns.nspname, c.relname) as subject, c.oid as objid, c.relname <> 'bad' as ok "
        "from pg_catalog.pg_class as c inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid "
        "where c.relkind = 'r'",
        subject="table",
        universe="tables",
    ),
    "schema/fine.sql": stage.sql_check("select 'a' as subject, true as ok"),
}
ONLY = ("--only", "schema/kept", "--only", "schema/fine")


@pytest.fixture(scope="module")
def database(embedded_cluster: Cluster) -> Iterator[Database]:
    with stage.database(embedded_cluster) as made:
        made.run("create table public.good (id int)")
        yield made


@pytest.fixture
def place(tmp_path: Path, database: Database) -> Iterator[Place]:
    folder = tmp_path / "platform"
    stage.write_pack(folder / "mine", CHECKS)
    (folder / "go.yaml").write_text(stage.GO + "packs: [./mine]\n")
    (folder / "plain.yaml").write_text(stage.PLAIN + "\npacks: [./mine]\n")
    (folder / "readiness.yaml").write_text("name: p\ntitle: The Platform\n")
    yield Place(folder, database, stage.environment(tmp_path) | libpq(database))
    database.run("drop table if exists public.bad")


def score(place: Place, *arguments: str, policy: str = "go.yaml", to: str = "") -> stage.Done:
    saved = ("-f", "json", "-o", to) if to else ()
    return place.run("score", "--policy", policy, *ONLY, "--quiet", *saved, *arguments)


def test_a_run_verifies_and_a_changed_one_does_not(place: Place):
    assert score(place, to="run.json").code == 0
    done = place.run("verify", "run.json")
    assert (done.code, done.err) == (0, "")
    run = json.loads((place.folder / "run.json").read_text())
    assert f"seal {run['sha256']}" in done.out
    assert ".readiness/evidence.db" in done.out, "the store holds the same run"
    for word in ("last", run["id"], run["id"][:-2]):
        assert place.run("verify", word).code == 0, word
    assert place.run("verify", "run.json", "--seal", run["sha256"]).code == 0
    assert place.run("report", "run.json", "-o", "run.html").code == 0
    assert place.run("verify", "run.html").out == done.out, "the page carries the run"
    done = place.run("verify", "run.json", "--seal", "0" * 64)
    assert (done.code, "not the one that was given" in done.out) == (1, True)
    older = run | {
        "tool": run["tool"] | {"version": "0.0.9"},
        "verdict": run["verdict"] | {"reasons": ["so it was said"]},
    }
    older["id"] = "20200101T000000Z-00000000"
    older["sha256"] = document.seal_of(older)
    (place.folder / "older.json").write_text(json.dumps(older))
    done = place.run("verify", "older.json")
    assert (done.code, "made by readiness 0.0.9, computed again by" in done.out) == (0, True), done.said
    run["verdict"]["score"] += 1
    (place.folder / "run.json").write_text(json.dumps(run))
    done = place.run("verify", "run.json")
    assert (done.code, done.err) == (1, "")
    assert "the seal is broken" in done.out
    assert "verdict.score: says" in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("verify", "gone.json"), "gone.json: can't be read: No such file"),
        (("verify", "readiness.yaml"), "readiness.yaml: is no run document"),
        (("verify", "2099"), "there is no evidence store"),
        (("diff", "last", "last"), "there is no evidence store"),
        (("score", "--fail-on", "new-fail"), "--fail-on: needs a --baseline"),
        (("score", "--baseline", "gone.json", "--fail-on", "new-fail"), "gone.json: can't be read"),
        (("score", "--baseline", "last", "--fail-on", "new-fails"), "--fail-on new-fails: no such condition"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(place: Place, arguments: tuple[str, ...], said: str):
    done = place.run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "Traceback" not in done.err


def test_diff_tells_what_moved_and_gates_hold(place: Place):
    baseline = ("--baseline", "old.json", "--fail-on")
    score(place, to="old.json")
    assert score(place, *baseline, "new-fail,score-drop:2,coverage-drop:5").code == 0
    place.database.run("create table public.bad (id int)")
    done = score(place, *baseline, "new-fail,score-drop:0.1", to="new.json")
    assert done.code == 1
    assert "worse than the baseline: new-fail: schema/kept is partial" in done.err
    assert "score-drop:0.1: the score fell by" in done.err
    assert json.loads((place.folder / "new.json").read_text())["verdict"]["exit_code"] == 0, "GO, all the same"
    assert score(place, *baseline, "new-fail", "--report-only").code == 1, "the verdict is not asked, the gate is"
    assert score(place, *baseline, "score-drop:99").code == 0
    assert score(place, "--baseline", "last", "--fail-on", "new-fail").code == 0, "the last run had it too"

    done = place.run("diff", "old.json", "new.json")
    assert (done.code, done.err) == (1, "")
    for told in (
        "New findings (1)",
        "schema/kept: public.bad",
        "1 finding of 2 tables; before, 0 of 1",
        "The score moved by -",
    ):
        assert told in done.out
    moves = json.loads(place.run("diff", "old.json", "new.json", "-f", "json").out)
    assert sum(Fraction(m["points_exact"]) for m in moves["moves"]) == Fraction(moves["moved_exact"])
    back = place.run("diff", "new.json", "old.json")
    assert "Mended (1)" in back.out
    assert "may stand in the wrong order" in back.out
    same = place.run("diff", "new.json", "new.json")
    assert (same.code, "Both say the same." in same.out) == (0, True)


def test_runs_under_different_policies_do_not_compare_until_weighed_alike(place: Place):
    score(place, to="old.json")
    score(place, policy="plain.yaml", to="new.json")
    done = place.run("diff", "old.json", "new.json")
    assert done.code == 1
    assert "their scores can't be compared" in done.out
    assert "--rescore" in done.out
    assert "The score moved" not in done.out
    done = place.run("diff", "old.json", "new.json", "--rescore")
    assert (done.code, "Both say the same." in done.out) == (0, True)
    done = score(place, "--baseline", "old.json", "--fail-on", "score-drop:0,new-fail", policy="plain.yaml")
    assert "the baseline was weighed by another policy; it is weighed again under plain" in done.err
    assert "worse" not in done.err


def test_a_baseline_that_was_tampered_with_gates_nothing(place: Place):
    score(place, to="old.json")
    run = json.loads((place.folder / "old.json").read_text())
    run["duration_seconds"] += 1
    (place.folder / "old.json").write_text(json.dumps(run))
    done = score(place, "--baseline", "old.json", "--fail-on", "new-fail")
    assert (done.code, "old.json: does not verify: sha256: the seal is broken" in done.err) == (2, True)


def test_there_is_a_first_run(place: Place):
    done = score(place, "--baseline", "last", "--fail-on", "new-fail")
    assert (done.code, "no earlier run is kept" in done.err) == (0, True)


def test_a_plan_names_the_way_to_go_and_its_exact_gain(place: Place):
    place.database.run("create table public.bad (id int)")
    (place.folder / "strict.yaml").write_text(
        "name: strict\nthreshold: 0\nminimum_coverage: 0\ndrop: [migration, performance, security, operations]\n"
        "must_haves: [{id: M1, title: Kept, checks: [schema/kept]}]\npacks: [./mine]\n"
    )
    assert score(place, policy="strict.yaml", to="run.json").code == 1
    done = place.run("plan", "run.json")
    assert (done.code, done.err) == (0, "")
    assert "To GO: 1 thing to do (1 S); no set of less effort gets there." in done.out
    assert "schema/kept [M1]" in done.out
    told = json.loads(place.run("plan", "run.json", "-f", "json").out)
    (row,) = told["plan"]
    assert (row["checks"], row["kind"], told["then"]["decision"]) == (["schema/kept"], "fix", "GO")
    now = Fraction(json.loads((place.folder / "run.json").read_text())["verdict"]["score_exact"])
    assert Fraction(told["then"]["score_exact"]) == now + Fraction(row["gain_exact"])
    assert place.run("plan", "last").code == 0
    done = place.run("plan", "run.json", "--without", "schema/kept")
    assert (done.code, "GO is out of reach" in done.out) == (1, True)
    assert place.run("plan", "run.json", "--what-if", "schema/kept").code == 0
    assert place.run("plan", "run.json", "--what-if", "schema/kept=fail").code == 1
    for words, said in (
        (("--what-if", "schema/kep"), "no check is named 'schema/kep'; did you mean 'schema/kept'?"),
        (("--what-if", "schema/kept=good"), "expected one of pass"),
    ):
        done = place.run("plan", "run.json", *words)
        assert (done.code, said in done.err) == (2, True)
    place.database.run("drop table public.bad")
    live = place.run("plan", "--policy", "strict.yaml", "--quiet")
    assert (live.code, "GO needs nothing more." in live.out) == (0, True)


def test_history_is_a_table_a_plot_and_weighed_again(place: Place):
    done = place.run("history")
    assert (done.code, "there is no evidence store" in done.err) == (2, True)
    score(place)
    place.database.run("create table public.bad (id int)")
    score(place)
    score(place, policy="plain.yaml")
    done = place.run("history")
    assert (done.code, done.err) == (0, "")
    rows = [line for line in done.out.splitlines() if "Z-" in line]
    assert ["plain" in rows[0], "easy" in rows[1], "easy" in rows[2]] == [True, True, True], "the newest first"
    assert "n/c" in rows[0], "another policy: not comparable"
    assert "-1." in rows[1] or "-0." in rows[1], "the score fell"
    assert "threshold 70" in done.out
    assert "3 runs" in done.out
    told = json.loads(place.run("history", "-f", "json").out)
    assert [r["policy"] for r in told["runs"]] == ["plain", "easy", "easy"]
    again = json.loads(place.run("history", "-f", "json", "--rescore", "--policy", "plain.yaml").out)
    assert {r["policy"] for r in again["runs"]} == {"plain"}
    assert again["runs"][0]["score_exact"] == told["runs"][0]["score_exact"]
    assert again["runs"][1]["score_exact"] == told["runs"][0]["score_exact"], "the same evidence, the same policy"
    assert again["runs"][2]["score_exact"] != again["runs"][1]["score_exact"]
    assert place.run("history", "--rescore", "--policy", "plain.yaml").out.count("n/c") == 0
    assert json.loads(place.run("history", "-f", "json").out) == told, "the store is as it was"
    done = place.run("history", "--prune", "2")
    assert "1 run of p forgotten" in done.out
    assert len(json.loads(place.run("history", "-f", "json").out)["runs"]) == 2
    assert "0 runs of p forgotten" in place.run("history", "--prune", "30d").out
    done = place.run("history", "--prune", "all")
    assert (done.code, "expected a number of runs" in done.err) == (2, True)
    done = place.run("history", "--target", "other")
    assert (done.code, "no run of other is kept" in done.err) == (2, True)
