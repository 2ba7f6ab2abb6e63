-- The night of the cutover, first step, behind `readiness snapshot`: the services are stopped. What they made themselves
-- is set aside, so that the migrations find an empty place; nothing is dropped yet.
alter schema auth rename to legacy_auth;
create schema legacy;
alter table public.users set schema legacy;
alter table public.projects set schema legacy;
alter table public.epics set schema legacy;
alter table public.tasks set schema legacy;
alter table public.project_files set schema legacy;
alter table public.activity set schema legacy;
alter table public.scraped_pages set schema legacy;
drop function public.reset_password (text, text);
revoke all on schema public from public;
grant usage on schema public to public;
