-- Up Migration
-- A tenant is a user. A service says on whose behalf it works, for one transaction at a time:
-- select set_config('app.user_id', '...', true). Without it no row is seen.
set local role devmentor_owner;

create function auth.tenant() returns uuid
language sql stable
set search_path = pg_catalog, pg_temp
as $$ select nullif(current_setting('app.user_id', true), '')::uuid $$;
revoke all on function auth.tenant() from public;
grant execute on function auth.tenant() to project_service, memory_service, learning_service;

alter table projects.projects enable row level security, force row level security;
create policy tenant on projects.projects to project_service
using (
    user_id = (select auth.tenant())
    or id in (select c.project_id from projects.project_collaborators as c)
)
with check (user_id = (select auth.tenant()));

-- Whom it concerns, and who invited: not by way of the project, whose own policy looks here.
alter table projects.project_collaborators enable row level security, force row level security;
create policy tenant on projects.project_collaborators to project_service
using (user_id = (select auth.tenant()) or invited_by = (select auth.tenant()))
with check (invited_by = (select auth.tenant()));

-- What belongs to a project is seen by whoever sees the project.
alter table projects.epics enable row level security, force row level security;
create policy tenant on projects.epics to project_service
using (project_id in (select p.id from projects.projects as p));

alter table projects.tasks enable row level security, force row level security;
create policy tenant on projects.tasks to project_service
using (project_id in (select p.id from projects.projects as p));

alter table projects.project_files enable row level security, force row level security;
create policy tenant on projects.project_files to project_service
using (project_id in (select p.id from projects.projects as p));

alter table projects.file_versions enable row level security, force row level security;
create policy tenant on projects.file_versions to project_service
using (file_id in (select f.id from projects.project_files as f));

alter table projects.activity enable row level security, force row level security;
create policy tenant on projects.activity to project_service
using (project_id in (select p.id from projects.projects as p));

alter table memory.documents enable row level security, force row level security;
create policy tenant on memory.documents to memory_service
using (user_id = (select auth.tenant()));

alter table memory.chunks enable row level security, force row level security;
create policy tenant on memory.chunks to memory_service
using (document_id in (select d.id from memory.documents as d));

alter table memory.embeddings_meta enable row level security, force row level security;
create policy tenant on memory.embeddings_meta to memory_service
using (chunk_id in (select c.id from memory.chunks as c));

alter table memory.search_history enable row level security, force row level security;
create policy tenant on memory.search_history to memory_service
using (user_id = (select auth.tenant()));

alter table learning.roadmaps enable row level security, force row level security;
create policy tenant on learning.roadmaps to learning_service
using (user_id = (select auth.tenant()));

alter table learning.progress enable row level security, force row level security;
create policy tenant on learning.progress to learning_service
using (user_id = (select auth.tenant()));

alter table learning.assessments enable row level security, force row level security;
create policy tenant on learning.assessments to learning_service
using (user_id = (select auth.tenant()));

alter table learning.recommendations enable row level security, force row level security;
create policy tenant on learning.recommendations to learning_service
using (user_id = (select auth.tenant()));

reset role;

-- Down Migration
set local role devmentor_owner;
drop policy tenant on learning.recommendations;
alter table learning.recommendations no force row level security, disable row level security;
drop policy tenant on learning.assessments;
alter table learning.assessments no force row level security, disable row level security;
drop policy tenant on learning.progress;
alter table learning.progress no force row level security, disable row level security;
drop policy tenant on learning.roadmaps;
alter table learning.roadmaps no force row level security, disable row level security;
drop policy tenant on memory.search_history;
alter table memory.search_history no force row level security, disable row level security;
drop policy tenant on memory.embeddings_meta;
alter table memory.embeddings_meta no force row level security, disable row level security;
drop policy tenant on memory.chunks;
alter table memory.chunks no force row level security, disable row level security;
drop policy tenant on memory.documents;
alter table memory.documents no force row level security, disable row level security;
drop policy tenant on projects.activity;
alter table projects.activity no force row level security, disable row level security;
drop policy tenant on projects.file_versions;
alter table projects.file_versions no force row level security, disable row level security;
drop policy tenant on projects.project_files;
alter table projects.project_files no force row level security, disable row level security;
drop policy tenant on projects.tasks;
alter table projects.tasks no force row level security, disable row level security;
drop policy tenant on projects.epics;
alter table projects.epics no force row level security, disable row level security;
drop policy tenant on projects.projects;
alter table projects.projects no force row level security, disable row level security;
drop policy tenant on projects.project_collaborators;
alter table projects.project_collaborators no force row level security, disable row level security;
drop function auth.tenant();
reset role;
