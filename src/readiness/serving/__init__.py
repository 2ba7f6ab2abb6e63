"""`readiness serve`: audits on a schedule, and answers from what they found.

`board` holds the newest run of each target, `schedule` has them audited, `web` is the server, `pages` what it answers.
A request only ever reads the board and the evidence store: it starts no audit, and it waits for none.
"""
