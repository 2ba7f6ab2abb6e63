const { Pool } = require("pg");
const { randomUUID } = require("crypto");
const { QdrantClient } = require("@qdrant/js-client-rest");

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 20, min: 2, idleTimeoutMillis: 30000 });
const qdrant = new QdrantClient({ url: process.env.QDRANT_URL });

async function addDocument(user, title, source, chunks) {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    await client.query("SELECT set_config('app.user_id', $1, true)", [user]);
    const document = await client.query(
      "INSERT INTO memory.documents (user_id, title, source) VALUES ($1, $2, $3) RETURNING id",
      [user, title, source],
    );
    const points = [];
    for (const [position, chunk] of chunks.entries()) {
      const id = randomUUID();
      await client.query(
        "INSERT INTO memory.chunks (document_id, position, content, token_count, qdrant_point_id) VALUES ($1, $2, $3, $4, $5)",
        [document.rows[0].id, position, chunk.text, chunk.tokens, id],
      );
      points.push({ id, vector: chunk.vector, payload: { document: document.rows[0].id } });
    }
    await qdrant.upsert("chunks", { wait: true, points });
    await client.query("COMMIT");
    return document.rows[0].id;
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}

module.exports = { addDocument };
