-- What belongs to the cluster and not to a migration. A DBA runs it once, after the first migration; the logins get
-- their passwords from the secret store.
revoke all on database devmentor from public;
grant connect on database devmentor to
auth_service, project_service, memory_service, ai_gateway_service, learning_service, scraper_service;

-- A pool of 20, and room for the instance that takes over while another one leaves.
do $$
declare
    service text;
begin
    foreach service in array array[
        'auth_service',
        'project_service',
        'memory_service',
        'ai_gateway_service',
        'learning_service',
        'scraper_service'
    ]
    loop
        execute pg_catalog.format('alter role %I login connection limit 25', service);
        execute pg_catalog.format('alter role %I set statement_timeout = %L', service, '5s');
        execute pg_catalog.format('alter role %I set lock_timeout = %L', service, '2s');
        execute pg_catalog.format('alter role %I set idle_in_transaction_session_timeout = %L', service, '10s');
        execute pg_catalog.format('alter role %I set search_path = pg_catalog', service);
    end loop;
end
$$;

-- The standby comes under a role that can replicate and nothing else.
do $$
begin
    if not exists (select from pg_catalog.pg_roles where rolname = 'replicator') then
        create role replicator login replication connection limit 5;
    end if;
end
$$;
