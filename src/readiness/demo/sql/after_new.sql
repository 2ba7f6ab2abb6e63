-- What had no table before the migration: collaborators and versions of files, resets and verifications, the memory
-- service's files, the AI gateway's memory, learning.
select pg_catalog.setseed(0.5);

insert into auth.password_resets (user_id, token_hash, created_at, expires_at, used_at)
select
    id,
    encode(sha256(convert_to('reset ' || n, 'UTF8')), 'hex'),
    created_at + interval '20 days',
    created_at + interval '20 days 1 hour',
    created_at + interval '20 days 5 minutes'
from sample.users
where n % 25 = 0
order by n;

insert into auth.email_verifications (user_id, token_hash, created_at, expires_at, verified_at)
select
    id,
    encode(sha256(convert_to('verification ' || n, 'UTF8')), 'hex'),
    created_at,
    created_at + interval '2 days',
    case when n % 20 <> 0 then created_at + interval '10 minutes' end
from sample.users
order by n;

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
from sample.projects as p
inner join sample.users as u on p.user_n = u.n
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
from sample.users
where n <= 2000
order by n;

insert into learning.progress (user_id, roadmap_id, step, status, updated_at)
select
    u.id,
    md5('roadmap ' || u.n)::uuid,
    s.step,
    (array['finished', 'started', 'planned'])[s.at]::learning.progress_status,
    u.created_at
from sample.users as u
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
from sample.users
where n <= 2000
order by n;

insert into learning.recommendations (user_id, roadmap_id, reason, content, created_at)
select
    id,
    md5('roadmap ' || n)::uuid,
    format('%s came up in your last review', coalesce(skills[1], 'sql')),
    jsonb_build_object('minutes', 10 + n % 50),
    created_at + interval '31 days'
from sample.users
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
cross join lateral generate_series(1, 1 + (f.n % 4 = 0)::integer) as v (version)
order by f.n, v.version;

drop schema sample cascade;
