-- Beside after_rest.sql, when the people and their projects are there.

insert into projects.project_collaborators (project_id, user_id, invited_by, role, created_at)
select
    p.id,
    md5('user ' || 1501 + p.n % 1500)::uuid,
    u.id,
    (array['viewer', 'editor', 'maintainer'])[1 + p.n / 2 % 3]::projects.collaborator_role,
    p.created_at + interval '1 day'
from sample.projects as p
inner join sample.users as u on p.user_n = u.n
where p.n % 2 = 0
order by p.n;

insert into projects.tasks
(id, project_id, epic_id, assignee_id, title, status, priority, tags, position, created_at, updated_at)
select
    t.id,
    p.id,
    e.id,
    u.id,
    t.title,
    t.status::projects.task_status,
    t.priority::projects.task_priority,
    t.tags,
    t.position,
    t.created_at,
    t.created_at
from sample.tasks as t
inner join sample.projects as p on t.project_n = p.n
inner join sample.epics as e on t.epic_n = e.n
left join sample.users as u on t.assignee_n = u.n
order by t.n;

insert into projects.project_files (id, project_id, path, storage_key, size_bytes, created_at)
select
    f.id,
    p.id,
    f.path,
    'projects/' || p.id || '/' || f.id,
    f.size_bytes,
    f.created_at
from sample.files as f
inner join sample.projects as p on f.project_n = p.n
order by f.n;

insert into projects.file_versions (file_id, version, storage_key, size_bytes, created_by, created_at)
select
    f.id,
    v.version,
    'projects/' || p.id || '/' || f.id || '/' || v.version,
    f.size_bytes,
    u.id,
    f.created_at + v.version * interval '1 day'
from sample.files as f
inner join sample.projects as p on f.project_n = p.n
inner join sample.users as u on p.user_n = u.n
cross join generate_series(1, 2) as v (version)
order by f.n, v.version;

insert into projects.activity (id, project_id, user_id, action, details, created_at)
select
    a.id,
    p.id,
    u.id,
    a.action::projects.change,
    a.details,
    a.created_at
from sample.activity as a
inner join sample.projects as p on a.project_n = p.n
inner join sample.users as u on a.user_n = u.n
order by a.n;
