/*---
title: No column that sounds like a secret can be read by everybody
subject: column
universe: columns that sound like a secret
priority: P1
effort: M
credit: ratio
why: |
  A column called password, api_key or ssn, in a table without row level security that PUBLIC or the roles of an API may
  read, is one query away from whoever can connect or call. The name is only a hint; a look at the column decides.
mend: |
  Grant the other columns alone (revoke select on the table, then grant select (a, b) on it), move the secret into a
  table that only its service reads, or enable row level security with policies. What is only compared is kept hashed.
links:
  - https://www.postgresql.org/docs/current/ddl-priv.html
  - https://www.postgresql.org/docs/current/ddl-rowsecurity.html
---*/
-- Everybody: PUBLIC, and the roles that an API gives to its callers, with what they inherit. Only where they may use
-- the schema. A name counts by the words that it ends in (user_password, apiKey, card-number, password_hash), so that
-- token_count and password_changed_at don't; a flag or a time is no secret.
with exposed as (
    select
        0::pg_catalog.oid as oid,
        'public' as name
    union all
    select
        r.oid,
        r.rolname::pg_catalog.text
    from pg_catalog.pg_roles as r
    where
        r.rolname::pg_catalog.text = any (
            pg_catalog.regexp_split_to_array(
                coalesce(
                    nullif(pg_catalog.current_setting('readiness.api_roles', true), ''), 'anon, authenticated'
                ),
                '\s*,\s*'
            )
        )
),

-- Each name once, however many columns bear it; patterns are dear, and the names that initdb gives (oids below 16384)
-- are a thousand.
name as materialized (
    select distinct att.attname
    from pg_catalog.pg_attribute as att
    where att.attnum > 0 and att.attrelid >= 16384
),

sensitive as materialized (
    select name.attname
    from name
    cross join lateral (
        select
            pg_catalog.regexp_replace(
                pg_catalog.lower(pg_catalog.regexp_replace(name.attname, '([a-z0-9])([A-Z])', '\1_\2', 'g')),
                '[^a-z0-9]+', '_', 'g'
            ) as words
    ) as split
    where
        split.words ~ (
            '(^|_)('
            'pass(word|wd|phrase|code)|pwd|secret|token|jwt|otp|api_?key'
            '|(secret|private|auth|access|encryption|signing|session|ssh|pgp|gpg|rsa|license|activation)_key'
            '|(auth|recovery|backup|verification|2fa)_code|two_factor'
            '|ssn|social_security(_(number|no))?|(drivers?_license|passport)(_(number|no|id))?|national_id|tax_id'
            '|credit_?card(_(number|no))?|(card|cc)_(number|no)|cvv2?|cvc2?|cvn'
            '|bank_account(_(number|no))?|(account|routing|insurance)_number|iban|swift_code|medical_record'
            ')s?(_(hash|hashed|digest|encrypted|plain|plaintext))?$'
        )
)

select
    pg_catalog.format('%I.%I.%I', ns.nspname, c.relname, att.attname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    c.relrowsecurity or everybody.names is null as ok,
    pg_catalog.format(
        E'-- From here on nobody but the owner sees a row until a policy allows it: write the policies first.\n'
        'alter table %I.%I enable row level security;',
        ns.nspname, c.relname
    ) as remedy,
    everybody.names as open_to
from pg_catalog.pg_attribute as att
inner join pg_catalog.pg_class as c on att.attrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
inner join pg_catalog.pg_type as t on att.atttypid = t.oid
inner join sensitive on att.attname = sensitive.attname
cross join lateral (
    select pg_catalog.array_agg(e.name order by e.oid) as names
    from exposed as e
    where
        pg_catalog.has_schema_privilege(e.oid, ns.oid, 'usage')
        and pg_catalog.has_column_privilege(e.oid, c.oid, att.attnum, 'select')
) as everybody
where
    c.relkind in ('r', 'p')
    and att.attnum > 0
    and not att.attisdropped
    and t.typcategory not in ('B', 'D', 'T')
order by subject
