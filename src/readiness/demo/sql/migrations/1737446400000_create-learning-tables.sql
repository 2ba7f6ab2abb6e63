-- Up Migration
set local role devmentor_owner;

create type learning.progress_status as enum ('planned', 'started', 'finished');

create table learning.roadmaps (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references auth.users (id) on delete cascade,
    title text not null,
    goals text[] not null default '{}',
    plan jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index roadmaps_user_id on learning.roadmaps (user_id);

create table learning.progress (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references auth.users (id) on delete cascade,
    roadmap_id uuid not null references learning.roadmaps (id) on delete cascade,
    step text not null,
    status learning.progress_status not null default 'planned',
    updated_at timestamptz not null default now(),
    unique (roadmap_id, step)
);
create index progress_user_id on learning.progress (user_id);

create table learning.assessments (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references auth.users (id) on delete cascade,
    roadmap_id uuid references learning.roadmaps (id) on delete set null,
    score numeric(5, 2) not null,
    answers jsonb not null default '{}',
    taken_at timestamptz not null default now(),
    constraint assessments_score_is_a_percentage check (score between 0 and 100)
);
create index assessments_user_id on learning.assessments (user_id);
create index assessments_roadmap_id on learning.assessments (roadmap_id);

create table learning.recommendations (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references auth.users (id) on delete cascade,
    roadmap_id uuid references learning.roadmaps (id) on delete set null,
    reason text not null,
    content jsonb not null default '{}',
    created_at timestamptz not null default now(),
    dismissed_at timestamptz
);
create index recommendations_user_id on learning.recommendations (user_id);
create index recommendations_roadmap_id on learning.recommendations (roadmap_id);

reset role;

-- Down Migration
set local role devmentor_owner;
drop table learning.recommendations;
drop table learning.assessments;
drop table learning.progress;
drop table learning.roadmaps;
drop type learning.progress_status;
reset role;
