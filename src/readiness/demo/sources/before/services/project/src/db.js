const { Pool } = require("pg");
const fs = require("fs/promises");
const path = require("path");

const pool = new Pool({ connectionString: process.env.DATABASE_URL });
const UPLOADS = "/var/lib/devmentor/uploads";

async function init() {
  await pool.query(`CREATE TABLE IF NOT EXISTS projects (
    id SERIAL PRIMARY KEY, user_id INTEGER REFERENCES users(id), name VARCHAR(255) NOT NULL, slug VARCHAR(255) NOT NULL,
    status VARCHAR(50) NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'archived')),
    tech_stack TEXT, settings TEXT, created_at TIMESTAMP DEFAULT NOW())`);
  await pool.query(`CREATE TABLE IF NOT EXISTS epics (
    id SERIAL PRIMARY KEY, project_id INTEGER REFERENCES projects(id), name TEXT NOT NULL, position INTEGER,
    created_at TIMESTAMP DEFAULT NOW())`);
  await pool.query(`CREATE TABLE IF NOT EXISTS tasks (
    id SERIAL PRIMARY KEY, project_id INTEGER REFERENCES projects(id), epic_id INTEGER REFERENCES epics(id),
    assignee_id INTEGER REFERENCES users(id), title TEXT NOT NULL,
    status VARCHAR(20) NOT NULL DEFAULT 'todo' CHECK (status IN ('todo', 'in_progress', 'review', 'done')),
    priority VARCHAR(10) NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    tags TEXT, position INTEGER, created_at TIMESTAMP DEFAULT NOW())`);
  await pool.query("CREATE INDEX IF NOT EXISTS tasks_project_id ON tasks (project_id)");
  await pool.query(`CREATE TABLE IF NOT EXISTS project_files (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(), project_id INTEGER REFERENCES projects(id), path TEXT NOT NULL,
    disk_path TEXT NOT NULL, size_bytes INTEGER, created_at TIMESTAMPTZ DEFAULT NOW())`);
  await pool.query(`CREATE TABLE IF NOT EXISTS activity (
    id BIGSERIAL PRIMARY KEY, project_id INTEGER REFERENCES projects(id), user_id INTEGER REFERENCES users(id),
    action TEXT NOT NULL, details TEXT, created_at TIMESTAMP DEFAULT NOW())`);
}

async function addTask(projectId, title, tags) {
  const task = await pool.query(
    "INSERT INTO tasks (project_id, title, tags) VALUES ($1, $2, $3) RETURNING id",
    [projectId, title, tags.join(",")],
  );
  await pool.query("INSERT INTO activity (project_id, action, details) VALUES ($1, 'insert', $2)", [
    projectId,
    JSON.stringify({ task: title }),
  ]);
  return task.rows[0].id;
}

async function saveFile(projectId, name, content) {
  const diskPath = path.join(UPLOADS, String(projectId), name);
  await fs.writeFile(diskPath, content);
  await pool.query("INSERT INTO project_files (project_id, path, disk_path, size_bytes) VALUES ($1, $2, $3, $4)", [
    projectId,
    name,
    diskPath,
    content.length,
  ]);
}

module.exports = { init, addTask, saveFile };
