"""`readiness doctor`: what the audit can't see, and what would let it."""

from __future__ import annotations

import os

from rich.text import Text

from readiness.audit import Request
from readiness.cli import support
from readiness.cli.score import console_for, run_with_progress
from readiness.cli.support import (
    ColorOption,
    DatabaseOption,
    PolicyOption,
    ProfileOption,
    QuietOption,
    SuperuserOption,
)
from readiness.model import count_of
from readiness.reporting import words
from readiness.reporting.escape import visible

app = support.new_app()


@app.command()
def doctor(
    profile: ProfileOption = None,
    database: DatabaseOption = "",
    policy: PolicyOption = "beta",
    as_superuser: SuperuserOption = False,
    quiet: QuietOption = False,
    color: ColorOption = "auto",
) -> int:
    """What the present role, extensions and settings don't let the audit see, and the points that hang on it.

    Exit code 1 where something is hidden.
    """
    request = Request(
        profile=support.load_profile(profile),
        policy=support.load_policy(policy),
        dsn=database,
        as_superuser=as_superuser,
        environment=os.environ,
        redactor=support.redactor,
    )
    run = run_with_progress(request, quiet=quiet).document
    console = console_for(color)
    hidden = words.unmeasured(run)
    console.print(Text(visible(words.subject_line(run)), style="bold"))
    for note in run.notes:
        console.print(Text(f"note: {visible(note)}"))
    if not hidden:
        console.print("Everything that the policy asks for can be seen.")
        return 0
    points = sum(c.gain for c in hidden)
    console.print(f"{count_of(len(hidden), 'checks')} can't be answered; up to {points:.1f} points hang on them.\n")
    for unlock, unlocked in words.unlocks(hidden).items():
        console.print(Text(f"up to +{sum(c.gain for c in unlocked):.1f}", style="bold"))
        console.print(Text(f"  {visible(unlock)}", style="cyan"))
        for c in unlocked:
            console.print(Text(f"  {c.id}: {visible(words.result(c))}", style="dim"))
    if rest := [c for c in hidden if not c.unlock]:
        console.print(Text("No grant or setting helps here", style="bold"))
        for c in rest:
            console.print(Text(f"  +{c.gain:.1f} {c.id}: {visible(words.result(c))}", style="dim"))
    return 1
