-- Last step, when `readiness compare` found every row: what was set aside goes, and so do the tables of both keys.
drop schema legacy cascade;
drop schema legacy_auth cascade;
drop schema move cascade;
