import { randomBytes } from "crypto";
import { Pool } from "pg";

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 20, min: 2, idleTimeoutMillis: 30_000 });

export async function login(email: string): Promise<{ user: string; token: string } | null> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    const found = await client.query("SELECT id FROM auth.users WHERE email = $1 AND is_active", [email]);
    const user: string | undefined = found.rows[0]?.id;
    const token = randomBytes(32).toString("hex");
    if (user !== undefined) {
      await client.query(
        "INSERT INTO auth.user_sessions (user_id, token, expires_at) VALUES ($1, $2, now() + interval '1 day')",
        [user, token],
      );
    }
    await client.query("INSERT INTO auth.audit_log (user_id, event) VALUES ($1, $2)", [
      user ?? null,
      user === undefined ? "refused" : "login",
    ]);
    await client.query("COMMIT");
    return user === undefined ? null : { user, token };
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}
