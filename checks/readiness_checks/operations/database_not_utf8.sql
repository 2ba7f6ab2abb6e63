/*---
title: The database keeps text as UTF-8
subject: database
universe: databases of the platform
priority: P2
effort: L
credit: binary
why: |
  SQL_ASCII takes any bytes and checks none: two services write two encodings, and nobody can read both. A single-byte
  encoding has no place for most names and no emoji: the insert fails, with the first customer who has one.
mend: |
  Make a database with encoding UTF8 (create database ... encoding 'UTF8' template template0), dump the old one with the
  encoding that its bytes really have (pg_dump --encoding=...), restore, and move the services.
links:
  - https://www.postgresql.org/docs/current/multibyte.html
---*/
select
    pg_catalog.quote_ident(d.datname) as subject,
    pg_catalog.pg_encoding_to_char(d.encoding) = 'UTF8' as ok,
    pg_catalog.pg_encoding_to_char(d.encoding)::pg_catalog.text as encoding,
    d.datcollate::pg_catalog.text as collation,
    d.datctype::pg_catalog.text as character_type
from pg_catalog.pg_database as d
where d.datname = pg_catalog.current_database()
order by subject
