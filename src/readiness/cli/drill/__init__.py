"""`readiness drill`: experiments that write, in scratch databases and clusters only. A module each, here and in `readiness.drills`."""

from __future__ import annotations

import typer

from readiness.cli import lazily

# Drill -> its module in this package, and its line in --help.
DRILLS: dict[str, tuple[str, str]] = {
    "restore": ("restore", "The newest backup, restored into a server of its own, checked, compared and timed."),
    "rollback": ("rollback", "Each migration up, down and up again, compared at each step."),
    "rls": ("rls", "Row level security, tried: each role, as this tenant, that one and nobody."),
    "load": ("load", "Connections held at once, and the throughput that they sustain."),
    "audit-trail": ("audit_trail", "The audit trail, tried: each role's changes, and what they leave."),
    "alerts": ("alerts", "Alert rules, tried: which fire in trouble, which never do."),
    "services": ("services", "The declared requests, sent to the services; they write, in a tenant of their own."),
    "leftovers": ("leftovers", "What a crash of the machine left behind on a server, and its removal."),
}

app = typer.Typer(
    cls=lazily(DRILLS, __name__),
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Experiments in scratch databases. What they prove is kept and counts in the next audit, until it ends.",
    epilog="Exit codes: 0 passed, 1 failed, 2 usage or configuration, 4 it could not be run.",
)


@app.callback()
def _group() -> None:
    """Only drills below it do something."""
