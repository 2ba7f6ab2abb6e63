-- Up Migration
set local role devmentor_owner;

create table memory.documents (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references auth.users (id) on delete cascade,
    project_id uuid references projects.projects (id) on delete set null,
    title text not null,
    source text not null,
    metadata jsonb not null default '{}',
    tags text[] not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);
create index documents_user_id on memory.documents (user_id, created_at);
create index documents_project_id on memory.documents (project_id);

-- Qdrant holds the vector; the point's id ties it to the text here.
create table memory.chunks (
    id uuid primary key default gen_random_uuid(),
    document_id uuid not null references memory.documents (id) on delete cascade,
    position integer not null,
    content text not null,
    token_count integer not null,
    qdrant_point_id uuid not null unique,
    created_at timestamptz not null default now(),
    unique (document_id, position)
);
create index chunks_content on memory.chunks using gin (to_tsvector('english', content));

create table memory.embeddings_meta (
    id uuid primary key default gen_random_uuid(),
    chunk_id uuid not null references memory.chunks (id) on delete cascade,
    model text not null,
    dimensions integer not null,
    created_at timestamptz not null default now(),
    unique (chunk_id, model)
);

create table memory.search_history (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references auth.users (id) on delete cascade,
    query text not null,
    results integer not null,
    filters jsonb not null default '{}',
    created_at timestamptz not null default now()
);
create index search_history_user_id on memory.search_history (user_id, created_at);

reset role;

-- Down Migration
set local role devmentor_owner;
drop table memory.search_history;
drop table memory.embeddings_meta;
drop table memory.chunks;
drop table memory.documents;
reset role;
