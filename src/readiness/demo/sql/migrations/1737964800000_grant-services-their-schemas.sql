-- Up Migration
-- Each service: its own schema, rows only. No service owns a table or makes one.
set local role devmentor_owner;

grant usage on schema auth to auth_service;
grant select, insert, update, delete
on auth.users, auth.user_sessions, auth.password_resets, auth.email_verifications
to auth_service;
grant select, insert on auth.audit_log to auth_service;

grant usage on schema projects to project_service;
grant select, insert, update, delete
on projects.projects, projects.project_collaborators, projects.epics, projects.tasks, projects.project_files,
projects.file_versions
to project_service;
grant select on projects.templates to project_service;
grant select, insert on projects.activity to project_service;

grant usage on schema memory to memory_service;
grant select, insert, update, delete on memory.documents, memory.chunks, memory.embeddings_meta to memory_service;
grant select, insert on memory.search_history to memory_service;

grant usage on schema learning to learning_service;
grant select, insert, update, delete
on learning.roadmaps, learning.progress, learning.assessments, learning.recommendations
to learning_service;

grant usage on schema gateway to ai_gateway_service;
grant select on gateway.configurations to ai_gateway_service;
grant select, insert, update, delete on gateway.response_cache to ai_gateway_service;

grant usage on schema scraper to scraper_service;
grant select, insert, update, delete on scraper.sources, scraper.pages to scraper_service;

reset role;

-- Down Migration
set local role devmentor_owner;
revoke all on all tables in schema scraper from scraper_service;
revoke all on all tables in schema gateway from ai_gateway_service;
revoke all on all tables in schema learning from learning_service;
revoke all on all tables in schema memory from memory_service;
revoke all on all tables in schema projects from project_service;
revoke all on all tables in schema auth from auth_service;
revoke all on schema scraper from scraper_service;
revoke all on schema gateway from ai_gateway_service;
revoke all on schema learning from learning_service;
revoke all on schema memory from memory_service;
revoke all on schema projects from project_service;
revoke all on schema auth from auth_service;
reset role;
