const { Pool } = require("pg");

const pool = new Pool({ connectionString: process.env.DATABASE_URL });

async function keep(url, body) {
  await pool.query(
    "CREATE TABLE IF NOT EXISTS scraped_pages (id SERIAL PRIMARY KEY, url TEXT NOT NULL, body TEXT, fetched_at TIMESTAMP DEFAULT NOW())",
  );
  await pool.query("INSERT INTO scraped_pages (url, body) VALUES ($1, $2)", [url, body]);
}

module.exports = { keep };
