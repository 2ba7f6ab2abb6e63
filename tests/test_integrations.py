"""The ready-made files: valid by their schemas, and their commands do on a real database what they say."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import stage
from conftest import Database
from readiness import profile
from readiness.embedded import Cluster

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "integrations"
GATES = {"GO": 0, "NO-GO": 1, "HOLD": 3}
# Whatever the database holds, these policies come to the verdict.
POLICIES = {
    "GO": "name: p\nthreshold: 0\nminimum_coverage: 0\nweights: {schema: 100, migration: 0, performance: 0, security: 0, operations: 0}\n",
    "NO-GO": "name: p\nthreshold: 100\n",
    "HOLD": "name: p\nthreshold: 0\nminimum_coverage: 100\n",
}


def vendored(name: str) -> dict[str, Any]:
    """A schema that check-jsonschema carries: schemastore.org's, GitLab's own."""
    text = (files("check_jsonschema") / "builtin_schemas" / "vendor" / f"{name}.json").read_text(encoding="utf-8")
    return json.loads(text)


def yaml_12(path: Path) -> Any:
    """As GitHub reads it: `on` is a word there."""
    text = re.sub(r"^on:", '"on":', path.read_text(), flags=re.MULTILINE)
    return yaml.safe_load(text)


@pytest.fixture(scope="module")
def database(embedded_cluster: Cluster) -> Iterator[Database]:
    with stage.database(embedded_cluster) as found:
        found.run("create table t (id uuid primary key); comment on table t is 'x'")
        yield found


@pytest.fixture
def shell(tmp_path: Path, database: Database) -> dict[str, str]:
    """A job's environment: the command on the PATH, the database by variables, no network."""
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "readiness").symlink_to(stage.EXECUTABLE)
    (commands / "pip").write_text('#!/bin/sh\necho "pip $*" >> "$PIP_LOG"\n')
    (commands / "pip").chmod(0o755)
    env = stage.environment(tmp_path, READINESS_DATABASE=database.bare_dsn(), PIP_LOG=str(tmp_path / "pip.log"))
    return env | {"PATH": f"{commands}:{Path(os.sys.executable).parent}:{env['PATH']}"}


def bash(script: str, env: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """As a runner does it: `-e`, with pipes that fail."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


# -- GitHub ----------------------------------------------------------------------------------------------------


def test_github_takes_the_action_and_the_workflow():
    jsonschema.validate(yaml_12(FOLDER / "github" / "action.yml"), vendored("github-actions"))
    jsonschema.validate(yaml_12(FOLDER / "github" / "workflow.yml"), vendored("github-workflows"))


def test_no_input_is_put_into_a_script():
    for step in yaml_12(FOLDER / "github" / "action.yml")["runs"]["steps"]:
        assert "${{" not in step["run"]


@pytest.mark.parametrize("verdict", GATES)
def test_the_action_gates_and_tells(tmp_path: Path, shell: dict[str, str], verdict: str):
    action = yaml_12(FOLDER / "github" / "action.yml")
    (audit,) = [s for s in action["runs"]["steps"] if s.get("id") == "audit"]
    (tmp_path / "p.yaml").write_text(POLICIES[verdict])
    env = shell | {
        "RUNNER_TEMP": str(tmp_path / "temp dir"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "INPUT_PROFILE": "",
        "INPUT_POLICY": "p.yaml",
        "INPUT_HOLD": "fail",
    }
    done = bash(audit["run"], env, tmp_path)
    assert done.returncode == GATES[verdict], done.stderr
    output = dict(line.split("=", 1) for line in (tmp_path / "output").read_text().splitlines())
    assert set(output) == set(action["outputs"])
    assert output["decision"] == verdict
    run = json.loads((tmp_path / "temp dir" / "readiness-report" / "run.json").read_text())
    assert float(output["score"]) == run["verdict"]["score"]
    assert (tmp_path / "summary.md").read_text().startswith(f"# {verdict}")
    assert {line.split(" ")[0] for line in done.stdout.splitlines()} <= {"::error", "::warning", "::notice"}
    assert Path(output["report"]).read_text().startswith("<!doctype html>")
    if verdict == "HOLD":
        assert bash(audit["run"], env | {"INPUT_HOLD": "pass"}, tmp_path).returncode == 0


def test_the_action_leaves_a_fault_a_fault(tmp_path: Path, shell: dict[str, str]):
    (audit,) = [s for s in yaml_12(FOLDER / "github" / "action.yml")["runs"]["steps"] if s.get("id") == "audit"]
    env = shell | {
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "INPUT_PROFILE": "not-there.yaml; touch owned",
        "INPUT_POLICY": "beta",
        "INPUT_HOLD": "pass",
    }
    done = bash(audit["run"], env, tmp_path)
    assert done.returncode == 2
    assert "not-there.yaml" in done.stderr
    assert not (tmp_path / "owned").exists()


# -- GitLab ----------------------------------------------------------------------------------------------------


def test_gitlab_takes_the_template():
    schema = vendored("gitlab-ci")
    jsonschema.validators.validator_for(schema)(schema).validate(
        yaml.safe_load((FOLDER / "gitlab" / "readiness.gitlab-ci.yml").read_text())
    )


@pytest.mark.parametrize("verdict", GATES)
def test_the_gitlab_job_gates_and_leaves_its_reports(tmp_path: Path, shell: dict[str, str], verdict: str):
    job = yaml.safe_load((FOLDER / "gitlab" / "readiness.gitlab-ci.yml").read_text())["readiness"]
    (tmp_path / "p.yaml").write_text(POLICIES[verdict])
    done = bash(
        "\n".join(job["before_script"] + job["script"]),
        shell | job["variables"] | {"READINESS_POLICY": "p.yaml"},
        tmp_path,
    )
    assert done.returncode == GATES[verdict], done.stderr
    named = [*job["artifacts"]["paths"], *job["artifacts"]["reports"].values()]
    assert [n for n in named if not (tmp_path / n).stat().st_size] == []
    score = json.loads((tmp_path / "run.json").read_text())["verdict"]["score"]
    found = [m[1] for line in done.stdout.splitlines() if (m := re.search(job["coverage"].strip("/"), line))]
    assert [float(f) for f in found] == [score]


# -- Jenkins ---------------------------------------------------------------------------------------------------


def test_the_jenkins_stage_leaves_what_it_publishes(tmp_path: Path, shell: dict[str, str]):
    text = (FOLDER / "jenkins" / "Jenkinsfile").read_text()
    assert text.count("{") == text.count("}")
    (script,) = re.findall(r"script: '''(.*?)'''", text, re.DOTALL)
    (tmp_path / "readiness.yaml").write_text("name: p\n")
    done = subprocess.run(
        ["sh", "-xe", "-c", script], env=shell, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode in (1, 3), done.stderr
    for name in ("readiness.junit.xml", "run.json", "readiness.html"):
        assert name in text.split("post {")[1]
        assert (tmp_path / name).stat().st_size


# -- pre-commit ------------------------------------------------------------------------------------------------


def test_the_hook_checks_profiles(tmp_path: Path, shell: dict[str, str]):
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert {"id", "name", "entry", "language", "files"} <= set(hook), "what pre-commit demands of a manifest"
    assert [bool(re.search(hook["files"], n)) for n in ("readiness.yaml", "a/readiness.yml", "x-readiness.yaml")] == [
        True,
        True,
        False,
    ]
    env = {k: v for k, v in shell.items() if k != "READINESS_DATABASE"}
    (tmp_path / "readiness.yaml").write_text("name: p\nservices: {a: {title: A}}\n")
    (tmp_path / "other.yaml").write_text("name: q\n")
    done = bash(f"{hook['entry']} readiness.yaml other.yaml", env, tmp_path)
    assert (done.returncode, done.stdout.count("\n")) == (0, 2)
    (tmp_path / "other.yaml").write_text("name: q\nservises: {}\n")
    done = bash(f"{hook['entry']} readiness.yaml other.yaml", env, tmp_path)
    assert done.returncode == 2
    assert "other.yaml:2" in done.stderr


# -- Kubernetes and Docker -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def manifests() -> dict[str, dict[str, Any]]:
    return {m["kind"]: m for m in yaml.safe_load_all((FOLDER / "kubernetes" / "cronjob.yaml").read_text())}


def test_the_cronjob_tries_again_only_what_a_retry_may_change(manifests: dict[str, dict[str, Any]]):
    spec = manifests["CronJob"]["spec"]
    job = spec["jobTemplate"]["spec"]
    (rule,) = job["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onExitCodes"]["values"]) == ("FailJob", [1, 2, 3])
    pod = job["template"]["spec"]
    assert pod["restartPolicy"] == "Never", "a podFailurePolicy demands it"
    (container,) = pod["containers"]
    assert rule["onExitCodes"]["containerName"] == container["name"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert pod["automountServiceAccountToken"] is False
    mounted = {m["name"] for m in container["volumeMounts"]}
    assert mounted == {v["name"] for v in pod["volumes"]}
    assert {v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v} == {
        manifests["ConfigMap"]["metadata"]["name"]
    }


def test_the_cronjobs_command_runs_where_nothing_may_be_written(
    tmp_path: Path, shell: dict[str, str], manifests: dict[str, dict[str, Any]]
):
    text = manifests["ConfigMap"]["data"]["readiness.yaml"]
    (tmp_path / "readiness.yaml").write_text(text)
    assert profile.load(tmp_path / "readiness.yaml", {}).profile.name == "example"
    (container,) = manifests["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "readiness.yaml").write_text("name: example\n")
    arguments = [a.replace("/config/", f"{tmp_path}/config/") for a in container["args"]]
    before = sorted(p for p in tmp_path.rglob("*"))
    done = bash(f"cd config && readiness {shlex.join(arguments)}", shell, tmp_path)
    assert done.returncode in (1, 3), done.stderr
    assert json.loads(done.stdout)["target"]["name"] == "example"
    assert sorted(p for p in tmp_path.rglob("*")) == before, "it leaves nothing behind"


def test_the_image_is_of_a_number_and_starts_the_command():
    text = (FOLDER / "docker" / "Dockerfile").read_text()
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    assert [line.split()[1:] for line in lines if line.startswith("FROM")][-1] == ["python:3.13-slim"]
    (user,) = [line.split()[1] for line in lines if line.startswith("USER")]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    (entry,) = [json.loads(line.removeprefix("ENTRYPOINT ")) for line in lines if line.startswith("ENTRYPOINT")]
    assert entry == ["readiness"]
    assert "PASSWORD" not in "".join(line for line in lines if line.startswith(("ENV", "ARG")))


def test_every_file_is_told_of():
    told = (FOLDER / "README.md").read_text()
    for path in FOLDER.rglob("*"):
        if path.is_file() and path.name != "README.md":
            assert str(path.relative_to(FOLDER)) in told
            assert not path.stat().st_mode & stat.S_IXUSR
