-- Up Migration
set local role devmentor_owner;

-- What the AI gateway kept in its memory and lost with every restart.
create table gateway.configurations (
    id uuid primary key default gen_random_uuid(),
    name text not null unique,
    model text not null,
    settings jsonb not null default '{}',
    is_active boolean not null default true,
    updated_at timestamptz not null default now()
);

create table gateway.response_cache (
    id uuid primary key default gen_random_uuid(),
    configuration_id uuid not null references gateway.configurations (id) on delete cascade,
    prompt_sha256 bytea not null,
    response jsonb not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    unique (configuration_id, prompt_sha256)
);
create index response_cache_expires_at on gateway.response_cache (expires_at);

create table scraper.sources (
    id uuid primary key default gen_random_uuid(),
    url text not null unique,
    every interval not null default '1 day',
    last_run_at timestamptz
);

create table scraper.pages (
    id uuid primary key default gen_random_uuid(),
    source_id uuid not null references scraper.sources (id) on delete cascade,
    url text not null unique,
    body text not null,
    fetched_at timestamptz not null default now()
);
create index pages_source_id on scraper.pages (source_id, fetched_at);

reset role;

-- Down Migration
set local role devmentor_owner;
drop table scraper.pages;
drop table scraper.sources;
drop table gateway.response_cache;
drop table gateway.configurations;
reset role;
