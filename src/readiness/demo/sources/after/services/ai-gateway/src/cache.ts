import { createHash } from "crypto";
import { Pool } from "pg";

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 20, min: 2, idleTimeoutMillis: 30_000 });

export async function answer(prompt: string, ask: (prompt: string) => Promise<object>): Promise<object> {
  const digest = createHash("sha256").update(prompt).digest();
  const known = await pool.query(
    "SELECT r.response FROM gateway.response_cache AS r JOIN gateway.configurations AS c ON r.configuration_id = c.id " +
      "WHERE c.name = 'chat' AND c.is_active AND r.prompt_sha256 = $1 AND r.expires_at > now()",
    [digest],
  );
  if (known.rows.length > 0) {
    return known.rows[0].response;
  }
  const response = await ask(prompt);
  await pool.query(
    "INSERT INTO gateway.response_cache (configuration_id, prompt_sha256, response, expires_at) " +
      "SELECT id, $1, $2, now() + interval '1 day' FROM gateway.configurations WHERE name = 'chat' " +
      "ON CONFLICT (configuration_id, prompt_sha256) DO UPDATE SET response = excluded.response, expires_at = excluded.expires_at",
    [digest, response],
  );
  return response;
}
