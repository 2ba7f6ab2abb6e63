import { createClient } from "redis";

const redis = createClient({ url: process.env.REDIS_URL });

// A cache and nothing else: what is lost here is asked for again.
export async function cached(key: string, seconds: number, ask: () => Promise<string>): Promise<string> {
  const known = await redis.get(key);
  if (known !== null) {
    return known;
  }
  const text = await ask();
  await redis.set(key, text, { EX: seconds });
  return text;
}
