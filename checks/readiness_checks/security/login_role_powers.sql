/*---
title: No login role has power over the server without being a superuser
subject: role
universe: login roles
priority: P2
effort: M
credit: ratio
why: |
  CREATEROLE makes itself a member of almost any role, REPLICATION copies the whole cluster, BYPASSRLS reads every
  tenant; who may run programs or write files as the server is a superuser a moment later. Such a power belongs to a
  role without login that an administrator takes on, not to a password in a configuration.
mend: |
  Give the power to a role without login and let administrators take it on by set role; take it from the login role. A
  role that replicates, and nothing else, is what replication needs: waive it.
links:
  - https://www.postgresql.org/docs/current/role-attributes.html
  - https://www.postgresql.org/docs/current/predefined-roles.html
---*/
-- Superusers are another check's, and no finding here: who becomes one takes no share from the others. Powers that
-- come by a membership count, those by ADMIN OPTION alone don't. An attribute is had by SET ROLE alone, which a
-- membership may be without since 16; what a predefined role may is inherited too.
select
    pg_catalog.quote_ident(r.rolname) as subject,
    r.rolsuper or pg_catalog.cardinality(held.powers) = 0 as ok,
    held.powers
from pg_catalog.pg_roles as r
cross join lateral (
    select
        pg_catalog.array_remove(
            array[
                case when r.rolcreaterole then 'createrole' end,
                case when r.rolreplication then 'replication' end,
                case when r.rolbypassrls then 'bypassrls' end
            ],
            null
        ) || array(
            select m.rolname::pg_catalog.text
            from pg_catalog.pg_roles as m
            where
                m.oid <> r.oid
                and pg_catalog.pg_has_role(
                    r.oid,
                    m.oid,
                    case
                        when pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 160000 then 'member'
                        when pg_catalog.starts_with(m.rolname, 'pg_') then 'usage, set'
                        else 'set'
                    end
                )
                and (
                    m.rolsuper
                    or m.rolbypassrls
                    or m.rolcreaterole
                    or m.rolname in (
                        'pg_execute_server_program',
                        'pg_read_server_files',
                        'pg_write_all_data',
                        'pg_write_server_files'
                    )
                )
            order by m.rolname
        ) as powers
) as held
where r.rolcanlogin
order by subject
