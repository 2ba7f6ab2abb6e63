"""The catalogue of checks as a whole: enough of them, of every kind, each fact used, each page complete."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections import Counter
from pathlib import Path

import pytest
import yaml

import readiness.facts
from asking import checks
from readiness import audit, policy
from readiness.authoring import Check, signature_of
from readiness.model import Category, Priority
from readiness.redaction import Redactor

# Facts that serve a command, or another fact's module, and no check.
NOT_FOR_CHECKS = {"Inventory", "CatalogMark"}


def facts() -> dict[str, type]:
    modules = [
        importlib.import_module(f"readiness.facts.{m.name}") for m in pkgutil.iter_modules(readiness.facts.__path__)
    ]
    return {
        name: kind
        for module in modules
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and "take" in vars(kind) and kind.__module__ == module.__name__
    }


def used_by(check: Check) -> set[str]:
    """The facts that a check rests on, directly or through others."""
    found: set[str] = set()
    waiting = list(check.facts.values())
    while waiting:
        kind = waiting.pop()
        if kind.__name__ not in found:
            found.add(kind.__name__)
            if take := getattr(kind, "take", None):
                waiting += signature_of(take)[0].values()
    return found


def test_every_kind_of_fact_has_a_check():
    used = set().union(*(used_by(c) for c in checks().values()))
    assert set(facts()) - used == NOT_FOR_CHECKS


def test_there_are_enough_checks_in_each_category():
    by_category = Counter(c.info.category for c in checks().values() if c.info.priority is not Priority.INFO)
    assert sum(by_category.values()) >= 25
    assert all(by_category[c] >= 3 for c in Category), by_category


@pytest.mark.parametrize("check", checks().values(), ids=lambda c: c.info.id)
def test_each_check_says_what_a_reader_needs(check: Check):
    info = check.info
    assert 10 <= len(info.title) <= 140
    assert not info.title.endswith(".")
    assert len(info.why) >= 80, "the why teaches"
    assert info.mend
    assert info.universe
    assert all(link.startswith("https://") for link in info.links)


@pytest.mark.parametrize("check", checks().values(), ids=lambda c: c.info.id)
def test_no_source_of_ours_reads_as_if_it_held_a_secret(check: Check):
    """A report shows it, and what strikes secrets out would garble it."""
    assert Redactor().text(check.source) == check.source


@pytest.mark.parametrize("name", policy.shipped())
def test_shipped_policies_name_checks_that_there_are(name: str):
    source = policy.load(name, {})
    audit.all_checks(source)
    assert source.policy.must_haves
    assert source.policy.name == name


# The rows of the field's catalogue, by their letters: schema, migration, performance, security, operations.
ROWS = {"S": 48, "M": 15, "P": 40, "X": 48, "O": 37}
AREAS = {
    *("migrations", "performance", "security", "operations", "backups", "drills", "monitoring", "services"),
    "attestations",
}


def test_no_row_of_the_catalogue_is_left_out_silently():
    text = (Path(__file__).parent.parent / "docs" / "catalogue.yaml").read_text(encoding="utf-8")
    rows = yaml.safe_load(text)
    assert list(rows) == [f"{letter}{n:02}" for letter, count in ROWS.items() for n in range(1, count + 1)]
    for name, row in rows.items():
        answers = {"checks", "planned", "left_out"} & set(row)
        assert len(answers) == 1, f"{name}: one answer of checks, planned, left_out"
        assert set(row) <= {"asks", "note", *answers}, name
        assert row["asks"], name
        assert row.get("planned", "drills") in AREAS, name
        assert len(row.get("left_out", "x" * 20)) >= 20, f"{name}: left out for no reason"
        assert row.get("checks") != [], name
        assert set(row.get("checks", ())) <= set(checks()), f"{name}: {sorted(set(row['checks']) - set(checks()))}"
