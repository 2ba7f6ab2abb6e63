insert into public.users (email, username, password_hash, role, is_active, skills, preferences, created_at)
select
    email,
    username,
    password_hash,
    role,
    is_active,
    array_to_string(skills, ','),
    metadata::text,
    created_at at time zone 'Europe/Berlin'
from sample.users
order by n;

insert into auth.users (id, email, username, password_hash, role, is_active, metadata, created_at)
select id, email, username, password_hash, role, is_active, metadata::text, created_at
from sample.users
where n <= 2000
order by n;

insert into auth.user_sessions (user_id, token, ip_address, created_at, expires_at)
select
    u.id,
    s.token,
    s.ip_address,
    s.created_at at time zone 'UTC',
    (s.created_at + interval '15 days') at time zone 'UTC'
from sample.sessions as s
inner join sample.users as u on s.user_n = u.n
order by s.n;

insert into auth.audit_log (user_id, event, details, created_at)
select
    user_n,
    'login',
    '{"ip": "' || ip_address || '"}',
    created_at at time zone 'UTC'
from sample.sessions
where n % 10 = 0
order by n;

insert into public.projects (user_id, name, slug, status, tech_stack, settings, created_at)
select
    user_n,
    name,
    slug,
    status,
    array_to_string(tech_stack, ','),
    settings::text,
    created_at at time zone 'UTC'
from sample.projects
order by n;

insert into public.epics (project_id, name, position, created_at)
select
    project_n,
    name,
    position,
    created_at at time zone 'UTC'
from sample.epics
order by n;

insert into public.tasks (project_id, epic_id, assignee_id, title, status, priority, tags, position, created_at)
select
    project_n,
    epic_n,
    assignee_n,
    title,
    status,
    priority,
    array_to_string(tags, ','),
    position,
    created_at at time zone 'UTC'
from sample.tasks
order by n;

insert into public.project_files (id, project_id, path, disk_path, size_bytes, created_at)
select
    id,
    project_n,
    path,
    '/var/lib/devmentor/uploads/' || project_n || '/' || n || '.md',
    size_bytes,
    created_at
from sample.files
order by n;

insert into public.activity (project_id, user_id, action, details, created_at)
select
    project_n,
    user_n,
    action,
    details::text,
    created_at at time zone 'UTC'
from sample.activity
order by n;

insert into public.scraped_pages (url, body, fetched_at)
select url, body, fetched_at at time zone 'UTC'
from sample.pages
order by n;
