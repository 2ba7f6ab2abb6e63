"""Configuration is input: each fault is one sentence with file, line and key, and no secret in it."""

from __future__ import annotations

import os
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from readiness import yamldoc
from readiness.yamldoc import ConfigError


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    weight: float = Field(gt=0, le=100)


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    threshold: int = Field(70, ge=0, le=100)
    dsn: SecretStr | None = None
    categories: dict[str, Inner] = {}
    names: tuple[str, ...] = ()
    on: bool = False


def load(text: str, **environment: str) -> Model:
    document = yamldoc.parse(text, "r.yaml")
    yamldoc.substitute(document, environment)
    return yamldoc.validate(Model, document)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("threshold: 170", "r.yaml:1:1: threshold: 170: expected less than or equal to 100"),
        ("names: [a]\ntreshold: 70", "r.yaml:2:1: treshold: unknown key; did you mean 'threshold'?"),
        (
            "categories:\n  perf: {weigth: 2}",
            "r.yaml:2:10: categories.perf.weigth: unknown key; did you mean 'weight'?",
        ),
        ("categories:\n  perf: {}", "r.yaml:2:3: categories.perf: 'weight' is missing"),
        ("threshold: 1\nthreshold: 0", "r.yaml:2:1: the key 'threshold' stands twice; the first is on line 1"),
        ("names: [a, 5]", "r.yaml:1:12: names[1]: 5: expected a valid string"),
        ("threshold: '70'", 'r.yaml:1:1: threshold: "70": expected a valid integer'),
        ("threshold: 070", 'r.yaml:1:1: threshold: "070": expected a valid integer'),
        ("threshold: 1_0", 'r.yaml:1:1: threshold: "1_0": expected a valid integer'),
        ("on: yes", 'r.yaml:1:1: on: "yes": expected a valid boolean'),
        ("on: 1", "r.yaml:1:1: on: 1: expected a valid boolean"),
        ("a: &x 1", "r.yaml:1:4: anchors and aliases are not used here; write the value out"),
        ("a: *x", "r.yaml:1:4: anchors and aliases are not used here; write the value out"),
        ("a: !!python/object:os.system x", "r.yaml:1:4: tags are not used here; remove the '!'"),
        ("a: 1\n---\nb: 2", "r.yaml:2:1: one document a file; remove the second '---'"),
        ("- a", "r.yaml:1:1: expected a mapping of keys to values at the top"),
        ("a: \x00", "r.yaml:1:1: holds a character that YAML does not allow"),
        ("? [a]\n: b", "r.yaml:1:3: a key is a word, not a list or a mapping"),
        ("a: " + "[" * 3000, "r.yaml:1:53: nested deeper than 50 levels"),
        (
            "dsn: ${NOPE}",
            "r.yaml:1:1: dsn: the environment variable NOPE is not set; set it, or write ${NOPE:-default}",
        ),
    ],
)
def test_one_sentence_with_its_place(text: str, sentence: str):
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert sentence in caught.value.problems


def test_every_problem_is_told_in_the_order_of_the_file():
    with pytest.raises(ConfigError) as caught:
        load("names: 3\nthreshold: -1\ncolour: red")
    assert [p.split(":")[1] for p in caught.value.problems] == ["1", "2", "3"]


def test_yaml_1_2():
    model = load("names: [no, 22:22, 1e3x, '~']\nthreshold: 5")
    assert model.names == ("no", "22:22", "1e3x", "~")


def test_substitution():
    model = load("dsn: postgresql://${USER}@h/${DB:-app}\nnames: ['$$5', $x]", USER="me")
    assert model.dsn is not None
    assert model.dsn.get_secret_value() == "postgresql://me@h/app"
    assert model.names == ("$5", "$x")


def test_an_empty_variable_takes_the_default_and_is_refused_without_one():
    assert load("names: ['${A:-x}']", A="").names == ("x",)
    with pytest.raises(ConfigError, match="A is empty"):
        load("names: ['${A}']", A="")
    with pytest.raises(ConfigError, match="line break"):
        load("names: ['${A}']", A="a\nb")


SECRET = "hunter2-canary"


@pytest.mark.parametrize(
    "text",
    [
        f"dsn: [{SECRET}]",
        f"dsn: '{SECRET}\n",
        f"threshold: ${{S}}\nnames: [{SECRET}",
        "threshold: ${S}",
        "categories: ${S}",
        f'dsn: "{SECRET}\\q"',
        f"dsn: {SECRET}: {SECRET}: x",
        f"dsn: @{SECRET}",
    ],
)
def test_no_error_repeats_a_secret(text: str):
    with pytest.raises(ConfigError) as caught:
        load(text, S=SECRET)
    assert SECRET not in str(caught.value)


@given(st.text(alphabet=string.printable, max_size=200))
def test_any_text_is_a_value_or_a_sentence(text: str):
    problems: tuple[str, ...] = ()
    try:
        load(text)
    except ConfigError as error:
        problems = error.problems
    assert all("r.yaml" in problem for problem in problems)


def test_files_that_are_none(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="No such file"):
        yamldoc.read(tmp_path / "absent.yaml")
    with pytest.raises(ConfigError, match="Is a directory"):
        yamldoc.read(tmp_path)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(ConfigError, match="not a regular file"):
        yamldoc.read(fifo)
    large = tmp_path / "large.yaml"
    monkeypatch.setattr(yamldoc, "MAX_BYTES", 1_000)
    large.write_bytes(b"#" * 1_001)
    with pytest.raises(ConfigError, match="larger than"):
        yamldoc.read(large)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("a: é".encode("latin-1"))
    with pytest.raises(ConfigError, match="not UTF-8"):
        yamldoc.read(latin)
    bom = tmp_path / "bom.yaml"
    bom.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert yamldoc.read(bom).data == {"a": 1}


def test_merging_two_files_refuses_what_is_said_twice():
    one, other = yamldoc.parse("services: {a: {x: 1}}", "one.yaml"), yamldoc.parse("services: {b: {x: 2}}", "two.yaml")
    yamldoc.merge(one, other)
    assert one.data == {"services": {"a": {"x": 1}, "b": {"x": 2}}}
    with pytest.raises(ConfigError, match=r"two.yaml:1:12: services.b: stands in .*two.yaml"):
        yamldoc.merge(one, other)
