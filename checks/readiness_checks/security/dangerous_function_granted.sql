/*---
title: No login role may call the server's own dangerous functions
subject: role
universe: login roles
priority: P1
effort: S
credit: ratio
why: |
  pg_read_file reads the server's configuration and keys, lo_export and pg_file_write write where its account may,
  dblink_connect_u comes back to the server as itself without a password, pg_promote makes a standby a second primary.
  They are the superuser's until somebody grants them, mostly for one job that one evening.
mend: |
  Revoke it, from public too, and give the job a function of its own (security definer, with a fixed search_path) that
  does that one thing.
links:
  - https://www.postgresql.org/docs/current/functions-admin.html
  - https://www.postgresql.org/docs/current/predefined-roles.html
---*/
-- Through public and memberships too, those that only SET ROLE makes use of among them. What a superuser may is
-- another check's, and so are the predefined roles that read and write files and run programs. Functions of extensions
-- where these are installed.
with dangerous as (
    select
        f.oid,
        pg_catalog.format(
            '%I.%I(%s)', ns.nspname, f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid)
        ) as name,
        coalesce(f.proacl, pg_catalog.acldefault('f', f.proowner)) as acl,
        f.proowner as owner
    from pg_catalog.pg_proc as f
    inner join pg_catalog.pg_namespace as ns on f.pronamespace = ns.oid
    left join pg_catalog.pg_depend as d
        on
            f.oid = d.objid
            and d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
            and d.deptype = 'e'
    left join pg_catalog.pg_extension as x on d.refobjid = x.oid
    where
        (
            ns.nspname = 'pg_catalog'
            and f.proname in (
                'lo_export', 'lo_import', 'pg_ls_dir', 'pg_promote', 'pg_read_binary_file', 'pg_read_file',
                'pg_rotate_logfile', 'pg_stat_file'
            )
        )
        or (x.extname = 'dblink' and f.proname = 'dblink_connect_u')
        or (
            x.extname = 'adminpack'
            and f.proname in ('pg_file_rename', 'pg_file_sync', 'pg_file_unlink', 'pg_file_write', 'pg_logdir_ls')
        )
)

select
    pg_catalog.quote_ident(r.rolname) as subject,
    pg_catalog.count(d.oid) = 0 as ok,
    pg_catalog.string_agg(by.revoke, E'\n' order by d.name) as remedy,
    pg_catalog.array_agg(d.name order by d.name) filter (where d.oid is not null) as may_call
from pg_catalog.pg_roles as r
cross join (
    select
        case
            when pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 160000 then 'member'
            else 'usage, set'
        end as of_member
) as way
left join dangerous as d
    on
        pg_catalog.has_function_privilege(r.oid, d.oid, 'execute')
        or exists (
            select
            from pg_catalog.aclexplode(d.acl) as a
            where
                a.privilege_type = 'EXECUTE'
                and a.grantee <> 0
                and a.grantee <> d.owner
                and pg_catalog.pg_has_role(r.oid, a.grantee, way.of_member)
        )
left join lateral (
    select
        pg_catalog.string_agg(
            pg_catalog.format(
                'revoke execute on function %s from %s;', d.name, coalesce(pg_catalog.quote_ident(g.rolname), 'public')
            ),
            E'\n' order by g.rolname
        ) as revoke
    from pg_catalog.aclexplode(d.acl) as a
    left join pg_catalog.pg_roles as g on a.grantee = g.oid
    where
        a.privilege_type = 'EXECUTE'
        and a.grantee <> d.owner
        and (a.grantee = 0 or pg_catalog.pg_has_role(r.oid, a.grantee, way.of_member))
) as by on d.oid is not null
where r.rolcanlogin and not r.rolsuper
group by r.oid, r.rolname
order by subject
