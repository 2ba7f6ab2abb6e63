// Configuration and answers live as long as the process does.
const configurations = new Map<string, { model: string; temperature: number }>([
  ["chat", { model: "mentor-chat", temperature: 0.2 }],
]);
const answers = new Map<string, string>();

export function configuration(name: string): { model: string; temperature: number } | undefined {
  return configurations.get(name);
}

export async function answer(prompt: string, ask: (prompt: string) => Promise<string>): Promise<string> {
  const known = answers.get(prompt);
  if (known !== undefined) {
    return known;
  }
  const text = await ask(prompt);
  answers.set(prompt, text);
  return text;
}
