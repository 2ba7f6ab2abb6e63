"""Plain SQL in numbered files, run by psql, a script or a container's init folder: an order, and no history of its own.

The way back is a file beside it: `002_users.down.sql`, `002_users.undo.sql`, `002_users.rollback.sql`, `down/002_users.sql`.
"""

from readiness.facts.frameworks import form
from readiness.facts.frameworks.form import Folder, MigrationFile

NAME = "numbered SQL"
_BACK = ("down", "undo", "rollback", "revert")


def read(folder: Folder) -> list[MigrationFile]:
    everything = set(folder.names)
    found = []
    for match in sorted(folder.matching(r"((\d+)[^/]*?)(?:\.up)?\.sql"), key=lambda m: (int(m[2]), m[0])):
        path, stem = match[0], match[1]
        if stem.endswith(tuple(f"{mark}{word}" for word in _BACK for mark in "._-")):
            continue
        beside = [f"{stem}{mark}{word}.sql" for word in _BACK for mark in "._-"]
        back = next((b for b in [*beside, *(f"{word}/{stem}.sql" for word in _BACK)] if b in everything), None)
        down = form.sql_file(folder, back) if back else None
        found.append(form.both_ways(path, stem, form.sql_file(folder, path), down))
    return found
