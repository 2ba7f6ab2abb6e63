"""Facts: the only code that touches the platform under audit.

A fact is a class that says what was seen; its `take` looks. There is no registry: a check names a fact by annotation,
and a fact names the facts that it builds on in the same way. The audit gives the first ones: `Target`, `Postgres`,
`DrillRecords`.
"""
