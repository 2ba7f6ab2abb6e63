-- Up Migration
set local role devmentor_owner;

create type projects.project_status as enum ('active', 'archived');
create type projects.task_status as enum ('todo', 'in_progress', 'review', 'done');
create type projects.task_priority as enum ('low', 'normal', 'high', 'urgent');
create type projects.collaborator_role as enum ('viewer', 'editor', 'maintainer');
create type projects.change as enum ('insert', 'update', 'delete', 'truncate');

create table projects.templates (
    id uuid primary key default gen_random_uuid(),
    name text not null unique,
    description text not null default '',
    structure jsonb not null default '{}',
    created_at timestamptz not null default now()
);

create table projects.projects (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references auth.users (id) on delete cascade,
    template_id uuid references projects.templates (id) on delete set null,
    name varchar(255) not null,
    slug varchar(255) not null,
    status projects.project_status not null default 'active',
    credits integer not null default 0,
    tech_stack text[] not null default '{}',
    settings jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    constraint projects_credits_not_negative check (credits >= 0),
    unique (user_id, slug)
);
create index projects_template_id on projects.projects (template_id);

create table projects.project_collaborators (
    id uuid primary key default gen_random_uuid(),
    project_id uuid not null references projects.projects (id) on delete cascade,
    user_id uuid not null references auth.users (id) on delete cascade,
    invited_by uuid references auth.users (id) on delete set null,
    role projects.collaborator_role not null default 'viewer',
    created_at timestamptz not null default now(),
    unique (project_id, user_id)
);
create index project_collaborators_user_id on projects.project_collaborators (user_id);
create index project_collaborators_invited_by on projects.project_collaborators (invited_by);

create table projects.epics (
    id uuid primary key default gen_random_uuid(),
    project_id uuid not null references projects.projects (id) on delete cascade,
    name text not null,
    position integer not null default 0,
    created_at timestamptz not null default now(),
    deleted_at timestamptz
);
create index epics_project_id on projects.epics (project_id);

create table projects.tasks (
    id uuid primary key default gen_random_uuid(),
    project_id uuid not null references projects.projects (id) on delete cascade,
    epic_id uuid references projects.epics (id) on delete cascade,
    assignee_id uuid references auth.users (id) on delete set null,
    title text not null,
    status projects.task_status not null default 'todo',
    priority projects.task_priority not null default 'normal',
    tags text[] not null default '{}',
    position integer not null default 0,
    due_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);
create index tasks_project_id on projects.tasks (project_id, status, position);
create index tasks_epic_id on projects.tasks (epic_id);
create index tasks_assignee_id on projects.tasks (assignee_id);

-- The bytes lie in managed storage; a row says under which key.
create table projects.project_files (
    id uuid primary key default gen_random_uuid(),
    project_id uuid not null references projects.projects (id) on delete cascade,
    path text not null,
    storage_key text not null unique,
    size_bytes bigint not null,
    created_at timestamptz not null default now(),
    deleted_at timestamptz,
    unique (project_id, path)
);

create table projects.file_versions (
    id uuid primary key default gen_random_uuid(),
    file_id uuid not null references projects.project_files (id) on delete cascade,
    version integer not null,
    storage_key text not null unique,
    size_bytes bigint not null,
    created_by uuid references auth.users (id) on delete set null,
    created_at timestamptz not null default now(),
    unique (file_id, version)
);
create index file_versions_created_by on projects.file_versions (created_by);

create table projects.activity (
    id uuid primary key default gen_random_uuid(),
    project_id uuid references projects.projects (id) on delete set null,
    user_id uuid references auth.users (id) on delete set null,
    action projects.change not null,
    details jsonb not null default '{}',
    created_at timestamptz not null default now()
);
create index activity_project_id on projects.activity (project_id, created_at);
create index activity_user_id on projects.activity (user_id);

reset role;

-- Down Migration
set local role devmentor_owner;
drop table projects.activity;
drop table projects.file_versions;
drop table projects.project_files;
drop table projects.tasks;
drop table projects.epics;
drop table projects.project_collaborators;
drop table projects.projects;
drop table projects.templates;
drop type projects.change;
drop type projects.collaborator_role;
drop type projects.task_priority;
drop type projects.task_status;
drop type projects.project_status;
reset role;
