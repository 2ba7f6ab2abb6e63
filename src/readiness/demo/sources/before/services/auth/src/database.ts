import { Pool } from "pg";

export async function initDatabase(pool: Pool): Promise<void> {
  await pool.query("CREATE SCHEMA IF NOT EXISTS auth");
  await pool.query(`
    CREATE TABLE IF NOT EXISTS auth.users (
      id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
      email VARCHAR(255) UNIQUE NOT NULL,
      username VARCHAR(50) NOT NULL,
      password_hash TEXT NOT NULL,
      role TEXT NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin', 'superadmin')),
      is_active BOOLEAN NOT NULL DEFAULT true,
      metadata TEXT,
      created_at TIMESTAMPTZ DEFAULT NOW()
    )
  `);
  await pool.query(`
    CREATE TABLE IF NOT EXISTS auth.user_sessions (
      id SERIAL PRIMARY KEY,
      user_id UUID REFERENCES auth.users(id),
      token TEXT NOT NULL,
      ip_address VARCHAR(45),
      created_at TIMESTAMP DEFAULT NOW(),
      expires_at TIMESTAMP NOT NULL
    )
  `);
  await pool.query(`
    CREATE TABLE IF NOT EXISTS auth.audit_log (
      id BIGSERIAL PRIMARY KEY,
      user_id INTEGER,
      event TEXT NOT NULL,
      details TEXT,
      created_at TIMESTAMP DEFAULT NOW()
    )
  `);
}
