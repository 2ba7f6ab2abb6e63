import express from "express";
import { Pool } from "pg";
import { initDatabase } from "./database";

const pool = new Pool({ connectionString: process.env.DATABASE_URL });

async function start(): Promise<void> {
  await pool.query(`
    CREATE TABLE IF NOT EXISTS users (
      id SERIAL PRIMARY KEY,
      email VARCHAR(255) UNIQUE NOT NULL,
      username VARCHAR(50) UNIQUE NOT NULL,
      password_hash TEXT NOT NULL,
      role VARCHAR(20) NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin', 'superadmin')),
      is_active BOOLEAN NOT NULL DEFAULT true,
      skills TEXT,
      preferences TEXT,
      created_at TIMESTAMP DEFAULT NOW(),
      updated_at TIMESTAMP DEFAULT NOW()
    )
  `);
  await initDatabase(pool);

  const app = express();
  app.get("/health", async (_request, response) => {
    await pool.query("SELECT 1");
    response.json({ status: "ok" });
  });
  app.post("/login", async (request, response) => {
    const user = await pool.query("SELECT id, role FROM users WHERE email = $1 AND is_active", [request.query.email]);
    response.json(user.rows[0]);
  });
  app.listen(3002);
}

start();
