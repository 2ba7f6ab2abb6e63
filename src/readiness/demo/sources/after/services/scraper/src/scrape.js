const { Pool } = require("pg");

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 20, min: 2, idleTimeoutMillis: 30000 });

async function keep(source, url, body) {
  await pool.query(
    "INSERT INTO scraper.pages (source_id, url, body) VALUES ($1, $2, $3) " +
      "ON CONFLICT (url) DO UPDATE SET body = excluded.body, fetched_at = now()",
    [source, url, body],
  );
}

module.exports = { keep };
