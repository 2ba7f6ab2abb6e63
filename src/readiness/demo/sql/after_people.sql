-- The same people and work as before, in the canonical schema.

insert into auth.users (id, email, username, password_hash, role, is_active, skills, metadata, created_at, updated_at)
select
    id,
    email,
    username,
    password_hash,
    role::auth.user_role,
    is_active,
    skills,
    metadata,
    created_at,
    created_at
from sample.users
order by n;

insert into projects.projects
(id, user_id, template_id, name, slug, status, tech_stack, settings, created_at, updated_at)
select
    p.id,
    u.id,
    t.id,
    p.name,
    p.slug,
    p.status::projects.project_status,
    p.tech_stack,
    p.settings,
    p.created_at,
    p.created_at
from sample.projects as p
inner join sample.users as u on p.user_n = u.n
left join projects.templates as t on t.name = (array['Web service', 'Command line tool'])[1 + p.n % 4]
order by p.n;

insert into projects.epics (id, project_id, name, position, created_at)
select
    e.id,
    p.id,
    e.name,
    e.position,
    e.created_at
from sample.epics as e
inner join sample.projects as p on e.project_n = p.n
order by e.n;
