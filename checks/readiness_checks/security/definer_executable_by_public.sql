/*---
title: No SECURITY DEFINER function can be executed by everybody
subject: function
universe: SECURITY DEFINER functions that can be called
priority: P1
effort: S
credit: ratio
why: |
  Functions are executable by PUBLIC from the moment they are created. A SECURITY DEFINER function lends its owner's
  rights, and by that default it lends them to every role that can connect, and to whoever calls the API.
mend: |
  Revoke EXECUTE from PUBLIC and grant it to the roles that need it; for what comes, alter default privileges revoke
  execute on functions from public.
links:
  - https://www.postgresql.org/docs/current/sql-createfunction.html#SQL-CREATEFUNCTION-SECURITY
  - https://www.postgresql.org/docs/current/sql-alterdefaultprivileges.html
---*/
-- Everybody: PUBLIC, and the role by which an API runs the calls of strangers, with what it inherits. Trigger functions
-- can't be called. No access list means the default one: PUBLIC may.
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
                    nullif(pg_catalog.current_setting('readiness.anonymous_roles', true), ''), 'anon'
                ),
                '\s*,\s*'
            )
        )
)

select
    pg_catalog.format(
        '%I.%I(%s)', ns.nspname, f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid)
    ) as subject,
    f.oid as objid,
    ns.oid as schemaid,
    everybody.names is null as ok,
    case
        when granted.roles is not null
            then pg_catalog.format(
                E'-- Grant it to the roles that need it before.\nrevoke execute on %s %I.%I(%s) from %s;',
                case f.prokind when 'p' then 'procedure' else 'function' end,
                ns.nspname, f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid), granted.roles)
    end as remedy,
    pg_catalog.pg_get_userbyid(f.proowner) as owner,
    everybody.names as open_to
from pg_catalog.pg_proc as f
inner join pg_catalog.pg_namespace as ns on f.pronamespace = ns.oid
cross join lateral (
    select pg_catalog.array_agg(e.name order by e.oid) as names
    from exposed as e
    where pg_catalog.has_function_privilege(e.oid, f.oid, 'execute')
) as everybody
cross join lateral (
    -- who holds what everybody has: themselves, or a role whose rights they inherit
    select
        pg_catalog.string_agg(
            distinct case a.grantee
                when 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee))
            end,
            ', '
        ) as roles
    from pg_catalog.aclexplode(coalesce(f.proacl, pg_catalog.acldefault('f', f.proowner))) as a
    where
        a.privilege_type = 'EXECUTE'
        and a.grantee <> f.proowner
        and exists (
            select
            from exposed as e
            where
                a.grantee = 0
                or (e.oid <> 0 and a.grantee <> 0 and pg_catalog.pg_has_role(e.oid, a.grantee, 'usage'))
        )
) as granted
where
    f.prosecdef
    and f.prorettype not in (
        'pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype
    )
order by subject
