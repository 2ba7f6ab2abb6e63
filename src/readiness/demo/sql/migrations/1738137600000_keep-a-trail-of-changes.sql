-- Up Migration
-- Whatever changes users, sessions and projects leaves a row that the service can't alter. The functions run as the
-- owner: the services may add to the trail through them, and read it.
set local role devmentor_owner;

create function auth.record_change() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    changed jsonb := case tg_op when 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
    whose uuid := case when tg_table_name = 'users' then changed ->> 'id' else changed ->> 'user_id' end;
begin
    insert into auth.audit_log (user_id, event, details)
    values (
        -- A deleted user's row can't be referred to; the details tell who it was.
        case when tg_op <> 'DELETE' then whose end,
        lower(tg_op)::auth.audit_event,
        jsonb_build_object('table', tg_table_name, 'row', changed ->> 'id', 'user', whose, 'by', session_user)
    );
    return null;
end
$$;
revoke all on function auth.record_change() from public;

create trigger record_change after insert or update or delete on auth.users
for each row execute function auth.record_change();
create trigger record_change after insert or update or delete on auth.user_sessions
for each row execute function auth.record_change();
create trigger record_change after insert or update or delete on auth.password_resets
for each row execute function auth.record_change();
create trigger record_change after insert or update or delete on auth.email_verifications
for each row execute function auth.record_change();
create trigger record_truncate after truncate on auth.users
for each statement execute function auth.record_change();
create trigger record_truncate after truncate on auth.user_sessions
for each statement execute function auth.record_change();
create trigger record_truncate after truncate on auth.password_resets
for each statement execute function auth.record_change();
create trigger record_truncate after truncate on auth.email_verifications
for each statement execute function auth.record_change();

create function projects.record_change() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    changed jsonb := case tg_op when 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
    its_project uuid := case when tg_table_name = 'projects' then changed ->> 'id' else changed ->> 'project_id' end;
begin
    insert into projects.activity (project_id, user_id, action, details)
    values (
        case when tg_op <> 'DELETE' then its_project end,
        nullif(current_setting('app.user_id', true), '')::uuid,
        lower(tg_op)::projects.change,
        jsonb_build_object('table', tg_table_name, 'row', changed ->> 'id', 'project', its_project, 'by', session_user)
    );
    return null;
end
$$;
revoke all on function projects.record_change() from public;

-- The owner is held by the tenants' policies too; for the trail, and for nothing else, it may add rows.
create policy trail on projects.activity for insert to devmentor_owner with check (true);

create trigger record_change after insert or update or delete on projects.projects
for each row execute function projects.record_change();
create trigger record_change after insert or update or delete on projects.project_collaborators
for each row execute function projects.record_change();
create trigger record_change after insert or update or delete on projects.tasks
for each row execute function projects.record_change();
create trigger record_truncate after truncate on projects.projects
for each statement execute function projects.record_change();
create trigger record_truncate after truncate on projects.project_collaborators
for each statement execute function projects.record_change();
create trigger record_truncate after truncate on projects.tasks
for each statement execute function projects.record_change();

reset role;

-- Down Migration
set local role devmentor_owner;
drop trigger record_truncate on projects.tasks;
drop trigger record_change on projects.tasks;
drop trigger record_truncate on projects.project_collaborators;
drop trigger record_change on projects.project_collaborators;
drop trigger record_truncate on projects.projects;
drop trigger record_change on projects.projects;
drop policy trail on projects.activity;
drop function projects.record_change();
drop trigger record_truncate on auth.email_verifications;
drop trigger record_change on auth.email_verifications;
drop trigger record_truncate on auth.password_resets;
drop trigger record_change on auth.password_resets;
drop trigger record_truncate on auth.user_sessions;
drop trigger record_change on auth.user_sessions;
drop trigger record_truncate on auth.users;
drop trigger record_change on auth.users;
drop function auth.record_change();
reset role;
