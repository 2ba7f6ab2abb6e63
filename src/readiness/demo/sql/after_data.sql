-- The same people and work as before, in the canonical schema. It is a bulk load into empty tables, so the trail of
-- changes begins behind it.
alter table auth.users disable trigger user;
alter table auth.user_sessions disable trigger user;
alter table projects.projects disable trigger user;
alter table projects.project_collaborators disable trigger user;
alter table projects.tasks disable trigger user;

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
from sample_users
order by n;

insert into auth.user_sessions (id, user_id, token, ip_address, created_at, expires_at)
select
    s.id,
    u.id,
    s.token,
    s.ip_address::inet,
    s.created_at,
    s.created_at + interval '15 days'
from sample_sessions as s
inner join sample_users as u on s.user_n = u.n
order by s.n;

insert into auth.audit_log (user_id, event, details, ip_address, created_at)
select
    u.id,
    'login',
    '{}',
    s.ip_address::inet,
    s.created_at
from sample_sessions as s
inner join sample_users as u on s.user_n = u.n
where s.n % 10 = 0
order by s.n;

insert into auth.password_resets (user_id, token_hash, created_at, expires_at, used_at)
select
    id,
    md5('reset ' || n),
    created_at + interval '20 days',
    created_at + interval '20 days 1 hour',
    created_at + interval '20 days 5 minutes'
from sample_users
where n % 25 = 0
order by n;

insert into auth.email_verifications (user_id, token_hash, created_at, expires_at, verified_at)
select
    id,
    md5('verification ' || n),
    created_at,
    created_at + interval '2 days',
    case when n % 20 <> 0 then created_at + interval '10 minutes' end
from sample_users
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
from sample_projects as p
inner join sample_users as u on p.user_n = u.n
left join projects.templates as t on t.name = (array['Web service', 'Command line tool'])[1 + p.n % 4]
order by p.n;

insert into projects.project_collaborators (project_id, user_id, invited_by, role, created_at)
select
    p.id,
    md5('user ' || 1501 + p.n % 1500)::uuid,
    u.id,
    (array['viewer', 'editor', 'maintainer'])[1 + p.n / 2 % 3]::projects.collaborator_role,
    p.created_at + interval '1 day'
from sample_projects as p
inner join sample_users as u on p.user_n = u.n
where p.n % 2 = 0
order by p.n;

insert into projects.epics (id, project_id, name, position, created_at)
select
    e.id,
    p.id,
    e.name,
    e.position,
    e.created_at
from sample_epics as e
inner join sample_projects as p on e.project_n = p.n
order by e.n;

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
from sample_tasks as t
inner join sample_projects as p on t.project_n = p.n
inner join sample_epics as e on t.epic_n = e.n
left join sample_users as u on t.assignee_n = u.n
order by t.n;

insert into projects.project_files (id, project_id, path, storage_key, size_bytes, created_at)
select
    f.id,
    p.id,
    f.path,
    'projects/' || p.id || '/' || f.id,
    f.size_bytes,
    f.created_at
from sample_files as f
inner join sample_projects as p on f.project_n = p.n
order by f.n;

insert into projects.file_versions (file_id, version, storage_key, size_bytes, created_by, created_at)
select
    f.id,
    v.version,
    'projects/' || p.id || '/' || f.id || '/' || v.version,
    f.size_bytes,
    u.id,
    f.created_at + v.version * interval '1 day'
from sample_files as f
inner join sample_projects as p on f.project_n = p.n
inner join sample_users as u on p.user_n = u.n
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
from sample_activity as a
inner join sample_projects as p on a.project_n = p.n
inner join sample_users as u on a.user_n = u.n
order by a.n;

-- What had no table before: the memory service's files, the AI gateway's memory, learning.
insert into memory.documents (id, user_id, project_id, title, source, metadata, tags, created_at, updated_at)
select
    md5('document ' || p.n)::uuid,
    u.id,
    p.id,
    format('Notes on %s', p.name),
    format('upload://project-%s/notes.md', p.n),
    jsonb_build_object('language', 'en', 'pages', 1 + p.n % 9),
    p.tech_stack,
    p.created_at,
    p.created_at
from sample_projects as p
inner join sample_users as u on p.user_n = u.n
order by p.n;

insert into memory.chunks (id, document_id, position, content, token_count, qdrant_point_id, created_at)
select
    md5('chunk ' || n)::uuid,
    md5('document ' || 1 + n / 10)::uuid,
    n % 10,
    format(
        'Section %s: how the %s talks to the %s, why it was chosen, and what to look at when it fails.',
        n,
        (array['gateway', 'service', 'worker', 'scheduler', 'client'])[1 + n % 5],
        (array['database', 'queue', 'cache', 'vector store', 'object storage', 'provider'])[1 + n % 6]
    ),
    24,
    md5('point ' || n)::uuid,
    now() - random() * interval '90 days'
from generate_series(0, 19999) as n;

insert into memory.embeddings_meta (chunk_id, model, dimensions)
select md5('chunk ' || n)::uuid, 'text-embedding-3-small', 1536
from generate_series(0, 19999) as n;

insert into memory.search_history (user_id, query, results, filters, created_at)
select
    md5('user ' || 1 + floor(random() * 1500)::integer)::uuid,
    (array['database pool', 'queue fails', 'why a cache', 'vector store'])[1 + n % 4],
    n % 12,
    jsonb_build_object('project', n % 2000),
    now() - random() * interval '60 days'
from generate_series(1, 10000) as n;

insert into learning.roadmaps (id, user_id, title, goals, plan, created_at)
select
    md5('roadmap ' || n)::uuid,
    id,
    format('From %s to production', coalesce(skills[1], 'sql')),
    skills,
    jsonb_build_object('weeks', 4 + n % 8),
    created_at
from sample_users
where n <= 2000
order by n;

insert into learning.progress (user_id, roadmap_id, step, status, updated_at)
select
    u.id,
    md5('roadmap ' || u.n)::uuid,
    s.step,
    (array['finished', 'started', 'planned'])[s.at]::learning.progress_status,
    u.created_at
from sample_users as u
cross join unnest(array['read', 'build', 'review']) with ordinality as s (step, at)
where u.n <= 2000
order by u.n, s.at;

insert into learning.assessments (user_id, roadmap_id, score, answers, taken_at)
select
    id,
    md5('roadmap ' || n)::uuid,
    40 + n % 60,
    jsonb_build_object('correct', n % 20, 'of', 20),
    created_at + interval '30 days'
from sample_users
where n <= 2000
order by n;

insert into learning.recommendations (user_id, roadmap_id, reason, content, created_at)
select
    id,
    md5('roadmap ' || n)::uuid,
    format('%s came up in your last review', coalesce(skills[1], 'sql')),
    jsonb_build_object('minutes', 10 + n % 50),
    created_at + interval '31 days'
from sample_users
where n <= 2000
order by n;

insert into gateway.configurations (id, name, model, settings)
select
    md5('configuration ' || name)::uuid,
    name,
    'mentor-' || name,
    '{"temperature": 0.2, "max_tokens": 1024}'
from unnest(array['chat', 'review', 'embedding']) as name;

insert into gateway.response_cache (configuration_id, prompt_sha256, response, created_at, expires_at)
select
    md5('configuration chat')::uuid,
    sha256(convert_to('question ' || n, 'UTF8')),
    jsonb_build_object('text', 'Answer ' || n),
    now() - interval '1 hour',
    now() + interval '1 day'
from generate_series(1, 1000) as n;

insert into scraper.sources (id, url, last_run_at)
select
    md5('source ' || n)::uuid,
    format('https://docs.devmentor.example/%s/', n),
    now() - interval '2 hours'
from generate_series(1, 20) as n;

insert into scraper.pages (id, source_id, url, body, fetched_at)
select id, md5('source ' || source_n)::uuid, url, body, fetched_at
from sample_pages
order by n;

alter table auth.users enable trigger user;
alter table auth.user_sessions enable trigger user;
alter table projects.projects enable trigger user;
alter table projects.project_collaborators enable trigger user;
alter table projects.tasks enable trigger user;
