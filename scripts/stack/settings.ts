// Versions and ports, as .env says them.
import { readFileSync } from 'node:fs';

/** The variables of a `.env` file: `NAME=value` lines and comments, nothing more. */
export function readSettings(path: string): Readonly<Record<string, string>> {
  const pairs = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => /^([A-Z_]+)=(.*)$/.exec(line)?.slice(1) as [string, string]);
  return Object.fromEntries(pairs);
}
