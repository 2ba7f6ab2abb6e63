-- Up Migration
set local role devmentor_owner;

create type auth.user_role as enum ('user', 'admin', 'superadmin');
create type auth.audit_event as enum ('login', 'logout', 'refused', 'insert', 'update', 'delete', 'truncate');

create table auth.users (
    id uuid primary key default gen_random_uuid(),
    email varchar(255) not null unique,
    username varchar(50) not null unique,
    password_hash text not null,
    role auth.user_role not null default 'user',
    is_active boolean not null default true,
    skills text[] not null default '{}',
    metadata jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table auth.user_sessions (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references auth.users (id) on delete cascade,
    token text not null unique,
    ip_address inet,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    constraint user_sessions_expire_later check (expires_at > created_at)
);
create index user_sessions_user_id on auth.user_sessions (user_id);
create index user_sessions_expires_at on auth.user_sessions (expires_at);

-- The trail outlives the user that it tells of.
create table auth.audit_log (
    id uuid primary key default gen_random_uuid(),
    user_id uuid references auth.users (id) on delete set null,
    event auth.audit_event not null,
    details jsonb not null default '{}',
    ip_address inet,
    created_at timestamptz not null default now()
);
create index audit_log_user_id on auth.audit_log (user_id);
create index audit_log_created_at on auth.audit_log (created_at);

create table auth.password_resets (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references auth.users (id) on delete cascade,
    token_hash text not null unique,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz
);
create index password_resets_user_id on auth.password_resets (user_id);

create table auth.email_verifications (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references auth.users (id) on delete cascade,
    token_hash text not null unique,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    verified_at timestamptz
);
create index email_verifications_user_id on auth.email_verifications (user_id);

reset role;

-- Down Migration
set local role devmentor_owner;
drop table auth.email_verifications;
drop table auth.password_resets;
drop table auth.audit_log;
drop table auth.user_sessions;
drop table auth.users;
drop type auth.audit_event;
drop type auth.user_role;
reset role;
