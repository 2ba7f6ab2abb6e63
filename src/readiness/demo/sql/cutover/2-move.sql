-- Second step, behind the migrations: every row into its new table. The tables of schema move say which uuid stands for
-- which number. A key is computed from the number: whoever runs this again gets the same keys.
create schema move;

create table move.users as
select p.id as old, coalesce(a.id, md5('user ' || p.id)::uuid) as new
from legacy.users as p
left join legacy_auth.users as a on p.email = a.email;
create unique index on move.users (old);
create unique index on move.users (new);

-- The second table of users may hold nothing that the first one lacks: it is merged into that.
do $$
begin
    if exists (
        select from legacy_auth.users as a
        left join legacy.users as p on p.email = a.email
        where (a.username, a.password_hash, a.role, a.is_active, a.metadata::jsonb)
            is distinct from (p.username, p.password_hash, p.role, p.is_active, p.preferences::jsonb)
    ) then
        raise exception 'legacy_auth.users holds a row that legacy.users has otherwise, or not at all';
    end if;
end
$$;

create table move.user_sessions as select id as old, md5('session ' || id)::uuid as new from legacy_auth.user_sessions;
create table move.audit_log as select id as old, md5('audit ' || id)::uuid as new from legacy_auth.audit_log;
create table move.projects as select id as old, md5('project ' || id)::uuid as new from legacy.projects;
create table move.epics as select id as old, md5('epic ' || id)::uuid as new from legacy.epics;
create table move.tasks as select id as old, md5('task ' || id)::uuid as new from legacy.tasks;
create table move.activity as select id as old, md5('activity ' || id)::uuid as new from legacy.activity;
create table move.pages as select id as old, md5('page ' || id)::uuid as new from legacy.scraped_pages;
create unique index on move.user_sessions (new);
create unique index on move.audit_log (new);
create unique index on move.projects (new);
create unique index on move.epics (new);
create unique index on move.tasks (new);
create unique index on move.activity (new);
create unique index on move.pages (new);
analyze move.users, move.user_sessions, move.audit_log, move.projects, move.epics, move.tasks, move.activity, move.pages;

insert into auth.users (id, email, username, password_hash, role, is_active, skills, metadata, created_at, updated_at)
select
    m.new,
    u.email,
    u.username,
    u.password_hash,
    u.role::auth.user_role,
    u.is_active,
    string_to_array(u.skills, ','),
    u.preferences::jsonb,
    u.created_at at time zone 'Europe/Berlin',
    u.updated_at at time zone 'Europe/Berlin'
from legacy.users as u
inner join move.users as m on u.id = m.old
order by u.id;

insert into auth.user_sessions (id, user_id, token, ip_address, created_at, expires_at)
select
    m.new,
    s.user_id,
    s.token,
    s.ip_address::inet,
    s.created_at at time zone 'UTC',
    s.expires_at at time zone 'UTC'
from legacy_auth.user_sessions as s
inner join move.user_sessions as m on s.id = m.old
order by s.id;

insert into auth.audit_log (id, user_id, event, details, created_at)
select
    m.new,
    u.new,
    l.event::auth.audit_event,
    l.details::jsonb,
    l.created_at at time zone 'UTC'
from legacy_auth.audit_log as l
inner join move.audit_log as m on l.id = m.old
left join move.users as u on l.user_id = u.old
order by l.id;

insert into projects.projects (id, user_id, name, slug, status, tech_stack, settings, created_at, updated_at)
select
    m.new,
    u.new,
    p.name,
    p.slug,
    p.status::projects.project_status,
    string_to_array(p.tech_stack, ','),
    p.settings::jsonb,
    p.created_at at time zone 'UTC',
    p.created_at at time zone 'UTC'
from legacy.projects as p
inner join move.projects as m on p.id = m.old
inner join move.users as u on p.user_id = u.old
order by p.id;

insert into projects.epics (id, project_id, name, position, created_at)
select
    m.new,
    p.new,
    e.name,
    e.position,
    e.created_at at time zone 'UTC'
from legacy.epics as e
inner join move.epics as m on e.id = m.old
inner join move.projects as p on e.project_id = p.old
order by e.id;

insert into projects.tasks
(id, project_id, epic_id, assignee_id, title, status, priority, tags, position, created_at, updated_at)
select
    m.new,
    p.new,
    e.new,
    u.new,
    t.title,
    t.status::projects.task_status,
    t.priority::projects.task_priority,
    string_to_array(t.tags, ','),
    t.position,
    t.created_at at time zone 'UTC',
    t.created_at at time zone 'UTC'
from legacy.tasks as t
inner join move.tasks as m on t.id = m.old
inner join move.projects as p on t.project_id = p.old
left join move.epics as e on t.epic_id = e.old
left join move.users as u on t.assignee_id = u.old
order by t.id;

-- The bytes were copied from the disk to the object storage, under the key that stands here.
insert into projects.project_files (id, project_id, path, storage_key, size_bytes, created_at)
select
    f.id,
    p.new,
    f.path,
    'projects/' || p.new || '/' || f.id,
    f.size_bytes,
    f.created_at
from legacy.project_files as f
inner join move.projects as p on f.project_id = p.old
order by f.disk_path;

insert into projects.activity (id, project_id, user_id, action, details, created_at)
select
    m.new,
    p.new,
    u.new,
    a.action::projects.change,
    a.details::jsonb,
    a.created_at at time zone 'UTC'
from legacy.activity as a
inner join move.activity as m on a.id = m.old
left join move.projects as p on a.project_id = p.old
left join move.users as u on a.user_id = u.old
order by a.id;

insert into scraper.sources (id, url, last_run_at)
select
    md5('source ' || n)::uuid,
    format('https://docs.devmentor.example/%s/', n),
    now() - interval '2 hours'
from generate_series(1, 20) as n;

insert into scraper.pages (id, source_id, url, body, fetched_at)
select
    m.new,
    md5('source ' || 1 + p.id % 20)::uuid,
    p.url,
    p.body,
    p.fetched_at at time zone 'UTC'
from legacy.scraped_pages as p
inner join move.pages as m on p.id = m.old
order by p.id;
