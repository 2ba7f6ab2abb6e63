-- The people and their work, made up but always the same: both states of the platform are filled from these tables.
-- A row's number is its key before the migration, its UUID the key after it.

create schema sample;

select pg_catalog.setseed(0.25);

create unlogged table sample.users as
select
    n,
    md5('user ' || n)::uuid as id,
    format('user%s@devmentor.example', n) as email,
    format('user%s', n) as username,
    '$2b$10$' || md5('password ' || n) || md5('salt ' || n) as password_hash,
    case when n % 500 = 0 then 'superadmin' when n % 50 = 0 then 'admin' else 'user' end as role,
    n % 40 <> 0 as is_active,
    (array['typescript', 'python', 'go', 'sql', 'rust', 'react'])[1 + n % 4:2 + n % 4 + n % 2] as skills,
    jsonb_build_object('theme', case when random() < 0.7 then 'dark' else 'light' end, 'digest', n % 4 = 0) as metadata,
    timestamptz '2024-03-01 08:00+00' + random() * interval '300 days' as created_at
from generate_series(1, 5000) as n;

create unlogged table sample.sessions as
select
    n,
    md5('session ' || n)::uuid as id,
    1 + floor(random() * 2000)::integer as user_n,
    md5('token a ' || n) || md5('token b ' || n) as token,
    format('10.%s.%s.%s', n % 200, n % 250, 1 + n % 254) as ip_address,
    now() - random() * interval '14 days' as created_at
from generate_series(1, 20000) as n;

create unlogged table sample.projects as
select
    n,
    md5('project ' || n)::uuid as id,
    1 + floor(random() * 1500)::integer as user_n,
    format('Project %s', n) as name,
    format('project-%s', n) as slug,
    case when n % 9 = 0 then 'archived' else 'active' end as status,
    (array['node', 'postgres', 'react', 'docker', 'redis', 'fastapi', 'vue'])[1 + n % 4:3 + n % 4] as tech_stack,
    jsonb_build_object('visibility', case when n % 3 = 0 then 'team' else 'private' end, 'sprint_days', 7 + n % 8)
    as settings,
    timestamptz '2024-06-01 08:00+00' + random() * interval '200 days' as created_at
from generate_series(1, 2000) as n;

create unlogged table sample.epics as
select
    n,
    md5('epic ' || n)::uuid as id,
    1 + (n - 1) / 3 as project_n,
    (array['Foundation', 'Features', 'Launch'])[1 + (n - 1) % 3] as name,
    1 + (n - 1) % 3 as position,
    timestamptz '2024-07-01 08:00+00' + random() * interval '180 days' as created_at
from generate_series(1, 6000) as n;

create unlogged table sample.tasks as
select
    n,
    md5('task ' || n)::uuid as id,
    1 + (n - 1) / 10 as epic_n,
    1 + (n - 1) / 30 as project_n,
    case when n % 4 = 0 then null else 1 + floor(random() * 1500)::integer end as assignee_n,
    format('Task %s: %s', n, (array['write', 'review', 'mend', 'measure', 'document'])[1 + n % 5]) as title,
    (array['todo', 'todo', 'in_progress', 'review', 'done', 'done', 'done'])[1 + n % 7] as status,
    (array['low', 'normal', 'normal', 'high', 'urgent'])[1 + n % 5] as priority,
    (array['backend', 'frontend', 'database', 'testing', 'design', 'security'])[1 + n % 4:2 + n % 4 + n % 2] as tags,
    n as position,
    timestamptz '2024-08-01 08:00+00' + random() * interval '160 days' as created_at
from generate_series(1, 60000) as n;

create unlogged table sample.files as
select
    n,
    md5('file ' || n)::uuid as id,
    n as project_n,
    format('docs/note-%s.md', n) as path,
    500 + (random() * 90000)::integer as size_bytes,
    timestamptz '2024-09-01 08:00+00' + random() * interval '120 days' as created_at
from generate_series(1, 2000) as n;

create unlogged table sample.activity as
select
    n,
    md5('activity ' || n)::uuid as id,
    1 + floor(random() * 2000)::integer as project_n,
    1 + floor(random() * 1500)::integer as user_n,
    (array['insert', 'update', 'update', 'update'])[1 + n % 4] as action,
    jsonb_build_object('task', 1 + n % 60000, 'field', 'status') as details,
    now() - random() * interval '60 days' as created_at
from generate_series(1, 15000) as n;

create unlogged table sample.pages as
select
    n,
    md5('page ' || n)::uuid as id,
    1 + n % 20 as source_n,
    format('https://docs.devmentor.example/page/%s', n) as url,
    repeat(md5('body ' || n) || ' ', 20) as body,
    now() - random() * interval '30 days' as fetched_at
from generate_series(1, 1000) as n;

analyze sample.users, sample.sessions, sample.projects, sample.epics, sample.tasks, sample.files, sample.activity;
