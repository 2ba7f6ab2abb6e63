"""`readiness verify`: compute a saved run again, offline; find what was changed in it."""

from __future__ import annotations

from typing import Annotated

import typer

from readiness import __version__, recount, teamstore
from readiness.cli import runs, support
from readiness.cli.support import ProfileOption
from readiness.document import RunDocument
from readiness.model import count_of
from readiness.reporting.escape import visible
from readiness.teamstore import Place

app = support.new_app()

SHOWN = 20


@app.command()
def verify(
    run: Annotated[str, typer.Argument(metavar="RUN", help=runs.RUN_HELP)],
    seal: Annotated[
        str | None,
        typer.Option(
            "--seal", metavar="SHA256", help="The seal as you know it from elsewhere; another one is tampering."
        ),
    ] = None,
    profile: ProfileOption = None,
    evidence: runs.EvidenceOption = "",
) -> int:
    """Compute every number and hash of a saved run again, from its evidence and its policy alone; nothing is connected to.

    Exit code 1 where something doesn't follow. The seal is a hash without a key: it shows what was changed after the run was
    made, and a forger can make it anew. So keep it elsewhere (a CI log, a signed commit) and give it by --seal; a run that
    the evidence store also holds is compared with what is kept there.
    """
    source = support.load_profile(profile)
    text = runs.text_of(run, source, evidence)
    read = runs.parse(text, run)
    try:
        found = recount.verify(text)
    except ValueError as error:
        found = [str(error)]
    if seal is not None and seal.lower() != read.sha256:
        found.append(f"sha256: the seal is {read.sha256 or 'missing'}, not the one that was given")
    kept, note = _kept(read, runs.place(source, evidence))
    if kept is not None and kept != read.sha256:
        found.append(f"sha256: the evidence store holds this run with another seal, {kept}")
    for problem in found[:SHOWN]:
        print(visible(problem))
    if len(found) > SHOWN:
        print(f"and {len(found) - SHOWN:,} more")
    if found:
        follow = "don't follow" if len(found) > 1 else "doesn't follow"
        print(f"run {read.id}: {count_of(len(found), 'things')} {follow}; don't rely on it")
        return 1
    other = (
        f"\nmade by {visible(read.tool.name)} {visible(read.tool.version)}, computed again by {__version__}: what decides is the same; how it is put "
        "into words was not compared, for which the seal stands"
        if read.tool.version != __version__
        else ""
    )
    v = read.verdict
    print(
        f"run {read.id}: {v.decision.value}, {v.score:.1f} of 100 ({v.score_exact}); {count_of(len(read.checks), 'checks')}, "
        f"every number and hash follows\nseal {read.sha256}{note}{other}"
    )
    return 0


def _kept(run: RunDocument, where: Place) -> tuple[str | None, str]:
    """The seal of this run as the evidence store has it, where there is a store that has it."""
    if not teamstore.exists(where):
        return None, ""
    with runs.opened(where) as store:
        found = [r for r in store.find(run.id) if r.id == run.id]
    return (str(found[0].document.get("sha256", "")), f", as in {teamstore.shown(where)}") if found else (None, "")
