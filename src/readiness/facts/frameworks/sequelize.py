"""Sequelize: `20240101120000-add-users.js`, with `up` and `down` of a `queryInterface`.

https://sequelize.org/docs/v6/other-topics/migrations. The history is a list of file names, in no order and without time.
"""

from readiness.facts.frameworks import form
from readiness.facts.frameworks.form import Folder, Framework, MigrationFile


def read(folder: Folder) -> list[MigrationFile]:
    found = []
    for match in folder.matching(rf"[^/]+\.{form.SCRIPTS}"):
        text = folder.text(match[0])
        if "queryInterface" not in text and "QueryInterface" not in text:
            return []
        found.append(MigrationFile(path=match[0], name=match[0], reversible=form.script_undoes(text)))
    return found


FRAMEWORK = Framework(
    name="sequelize",
    table="SequelizeMeta",
    columns=frozenset({"name"}),
    query="select name, 'applied' as state from {} order by name",
    read=read,
    key=lambda name: name.rpartition(".")[0],  # written in TypeScript, run as JavaScript
)
