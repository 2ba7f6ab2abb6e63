-- The platform's database as its services left it: each makes its tables when it starts, in its own way, and nobody
-- keeps them in step. Two tables of users, numbers and UUIDs as keys, local times, JSON and lists in text.

-- index.ts of the auth service, the first table of users.
create table public.users (
    id serial primary key,
    email varchar(255) unique not null,
    username varchar(50) unique not null,
    password_hash text not null,
    role varchar(20) not null default 'user' check (role in ('user', 'admin', 'superadmin')),
    is_active boolean not null default true,
    skills text,
    preferences text,
    created_at timestamp default now(),
    updated_at timestamp default now()
);

-- database.ts of the same service, the second one.
create schema auth;

create table auth.users (
    id uuid primary key default gen_random_uuid(),
    email varchar(255) unique not null,
    username varchar(50) not null,
    password_hash text not null,
    role text not null default 'user' check (role in ('user', 'admin', 'superadmin')),
    is_active boolean not null default true,
    metadata text,
    created_at timestamptz default now()
);

create table auth.user_sessions (
    id serial primary key,
    user_id uuid references auth.users (id),
    token text not null,
    ip_address varchar(45),
    created_at timestamp default now(),
    expires_at timestamp not null
);

create table auth.audit_log (
    id bigserial primary key,
    user_id integer,
    event text not null,
    details text,
    created_at timestamp default now()
);

-- The project service: everything in public.
create table public.projects (
    id serial primary key,
    user_id integer references public.users (id),
    name varchar(255) not null,
    slug varchar(255) not null,
    status varchar(50) not null default 'active' check (status in ('active', 'archived')),
    tech_stack text,
    settings text,
    created_at timestamp default now()
);

create table public.epics (
    id serial primary key,
    project_id integer references public.projects (id),
    name text not null,
    position integer,
    created_at timestamp default now()
);

create table public.tasks (
    id serial primary key,
    project_id integer references public.projects (id),
    epic_id integer references public.epics (id),
    assignee_id integer references public.users (id),
    title text not null,
    status varchar(20) not null default 'todo' check (status in ('todo', 'in_progress', 'review', 'done')),
    priority varchar(10) not null default 'normal' check (priority in ('low', 'normal', 'high', 'urgent')),
    tags text,
    position integer,
    created_at timestamp default now()
);

create index tasks_project_id on public.tasks (project_id);

create table public.project_files (
    id uuid primary key default gen_random_uuid(),
    project_id integer references public.projects (id),
    path text not null,
    disk_path text not null,
    size_bytes integer,
    created_at timestamptz default now()
);

create table public.activity (
    id bigserial primary key,
    project_id integer references public.projects (id),
    user_id integer references public.users (id),
    action text not null,
    details text,
    created_at timestamp default now()
);

-- The scraper.
create table public.scraped_pages (
    id serial primary key,
    url text not null,
    body text,
    fetched_at timestamp default now()
);

-- "So that it works": whoever can connect may do everything.
create function public.reset_password(who text, new_hash text) returns void
language sql security definer
as $$ update public.users set password_hash = new_hash where email = who $$;

grant all on schema public to public;
grant all on schema auth to public;
grant all on all tables in schema public to public;
grant all on all tables in schema auth to public;
