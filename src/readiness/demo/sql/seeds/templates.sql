-- Starting points for new projects. Seeds can run again and change nothing then.
insert into projects.templates (name, description, structure) values
('Web service', 'An HTTP API with a database', '{"epics": ["Foundation", "Endpoints", "Launch"]}'),
('Command line tool', 'One program, many commands', '{"epics": ["Foundation", "Commands", "Release"]}'),
('Data pipeline', 'From sources to reports', '{"epics": ["Sources", "Transformations", "Reports"]}')
on conflict (name) do nothing;
