-- Up Migration
-- Roles belong to the cluster, not to this database: up makes those that are missing, down leaves them.
do $$
declare
    wanted text;
begin
    foreach wanted in array array[
        'devmentor_owner',
        'auth_service',
        'project_service',
        'memory_service',
        'ai_gateway_service',
        'learning_service',
        'scraper_service'
    ]
    loop
        if not exists (select from pg_catalog.pg_roles where rolname = wanted) then
            execute pg_catalog.format('create role %I nologin', wanted);
        end if;
    end loop;
end
$$;

-- One owner, whom nobody logs in as; a schema for each service.
create schema auth authorization devmentor_owner;
create schema projects authorization devmentor_owner;
create schema memory authorization devmentor_owner;
create schema learning authorization devmentor_owner;
create schema gateway authorization devmentor_owner;
create schema scraper authorization devmentor_owner;

-- Nothing of the application lives in public, and nobody puts anything there.
revoke create on schema public from public;

-- Down Migration
drop schema scraper;
drop schema gateway;
drop schema learning;
drop schema memory;
drop schema projects;
drop schema auth;
