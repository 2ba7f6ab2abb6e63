const { onBehalfOf } = require("./tenant");

function addTask(user, project, title, tags) {
  return onBehalfOf(user, async (client) => {
    const task = await client.query(
      "INSERT INTO projects.tasks (project_id, title, tags) VALUES ($1, $2, $3) RETURNING id",
      [project, title, tags],
    );
    return task.rows[0].id;
  });
}

function removeTask(user, task) {
  return onBehalfOf(user, (client) =>
    client.query("UPDATE projects.tasks SET deleted_at = now() WHERE id = $1 AND deleted_at IS NULL", [task]),
  );
}

function addFile(user, project, path, object) {
  return onBehalfOf(user, async (client) => {
    const file = await client.query(
      "INSERT INTO projects.project_files (project_id, path, storage_key, size_bytes) VALUES ($1, $2, $3, $4) RETURNING id",
      [project, path, object.key, object.size],
    );
    await client.query(
      "INSERT INTO projects.file_versions (file_id, version, storage_key, size_bytes, created_by) VALUES ($1, 1, $2, $3, $4)",
      [file.rows[0].id, object.key + "/1", object.size, user],
    );
    return file.rows[0].id;
  });
}

module.exports = { addTask, removeTask, addFile };
