const { Pool } = require("pg");

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 20, min: 2, idleTimeoutMillis: 30000 });

async function roadmaps(user) {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    await client.query("SELECT set_config('app.user_id', $1, true)", [user]);
    const found = await client.query("SELECT id, title, plan FROM learning.roadmaps WHERE user_id = $1", [user]);
    await client.query("COMMIT");
    return found.rows;
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}

module.exports = { roadmaps };
