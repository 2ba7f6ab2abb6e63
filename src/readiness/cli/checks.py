"""`readiness checks`: list the checks, or explain one."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from readiness import audit, document, pack, policy
from readiness.authoring import Check
from readiness.cli import support
from readiness.cli.score import console_for
from readiness.cli.support import ColorOption, PolicyOption
from readiness.reporting.escape import visible
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command()
def checks(
    check_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Explain this one.")] = None,
    policy_name: PolicyOption = "beta",
    format_name: Annotated[Literal["console", "json"], typer.Option("--format", "-f")] = "console",
    sql: Annotated[
        bool, typer.Option("--sql", help="The complete statement of an SQL check, as psql runs it.")
    ] = False,
    color: ColorOption = "auto",
) -> None:
    """List the checks, or explain one: why, what it looks at, how it is scored, how to mend."""
    source = support.load_policy(policy_name)
    found = audit.all_checks(source)
    if check_id is not None:
        by_id = {c.info.id: c for c in found}
        if check_id not in by_id:
            raise ConfigError(policy.unknown_check(check_id, by_id))
        found = [by_id[check_id]]
    if sql:
        print("\n\n".join(_statement(c, source.policy) for c in found if c.source.startswith("/*---")))
    elif format_name == "json":
        print(json.dumps([described(c, source.policy) for c in found], indent=1, ensure_ascii=False))
    elif check_id is not None:
        _page(console_for(color), found[0], source.policy)
    else:
        _list(console_for(color), found, source.policy)


def described(check: Check, in_policy: policy.Policy) -> dict[str, Any]:
    """A check as data, as this policy has it."""
    info = check.info
    priority = in_policy.priority_of(info.id, info.priority)
    set_here = in_policy.checks[info.id].parameters if info.id in in_policy.checks else {}
    return {
        **{k: v for k, v in asdict(info).items() if k != "credit"},
        "category": info.category.value,
        "priority": priority.value,
        "effort": info.effort.value,
        "credit": document.credit_form(info.credit),
        "parameters": {**info.parameters, **set_here},
        "facts": sorted(kind.__name__ for kind in check.facts.values()),
        "door": "sql" if check.source.startswith("/*---") else "python",
    }


def _statement(check: Check, in_policy: policy.Policy) -> str:
    return f"-- {check.info.id}\n{pack.for_psql(check.source, in_policy.ignored_schemas, check.variants)}"


def _list(console: Console, found: list[Check], in_policy: policy.Policy) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("check", "priority", "title"):
        table.add_column(name)
    for c in found:
        priority = in_policy.priority_of(c.info.id, c.info.priority).value
        table.add_row(Text(visible(c.info.id)), priority, Text(visible(c.info.title)))
    console.print(table)
    console.print(Text(f"\n{len(found)} checks; `readiness checks ID` explains one", style="dim"))


def _lines(text: str) -> str:
    """A text of several lines, harmless."""
    return "\n".join(map(visible, text.splitlines()))


def _page(console: Console, check: Check, in_policy: policy.Policy) -> None:
    info, told = check.info, described(check, in_policy)
    console.print(Text(visible(info.id), style="bold"))
    console.print(Text(visible(info.title)))
    console.print()
    console.print(Markdown(_lines(info.why)))
    console.print()
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    rows = [
        ("looks at", f"{info.universe} ({', '.join(told['facts'])})"),
        ("priority", told["priority"]),
        ("effort", info.effort.value),
        ("scored", told["credit"]),
        ("needs", ", ".join(info.needs) or "CONNECT"),
        ("parameters", ", ".join(f"{k} = {v}" for k, v in told["parameters"].items()) or "none"),
        ("attestable", "yes" if info.attestable else "no"),
        ("from", info.pack),
    ]
    for name, value in rows:
        facts.add_row(Text(name, style="dim"), Text(visible(value)))
    console.print(facts)
    console.print(Text("\nHow to mend", style="bold underline"))
    console.print(Markdown(_lines(info.mend)))
    if info.links:
        console.print(Text("\nReferences", style="bold underline"))
        for link in info.links:
            console.print(Text(visible(link)))
    console.print(Text("\nSource", style="bold underline"))
    language = "sql" if told["door"] == "sql" else "python"
    console.print(Syntax(_lines(check.source), language, background_color="default", word_wrap=True))
