import { realpathSync } from 'node:fs';
import { delimiter, join, relative, resolve } from 'node:path';

const LAUNCHER = resolve(import.meta.dirname, '../../tailrace');

/** What to type for this program, here: its name where the path finds it, else its place. For lines a person copies. */
export function commandName(pathVariable: string = process.env['PATH'] ?? '', folder: string = process.cwd()): string {
  const isOnPath = pathVariable.split(delimiter).some((entry) => entry !== '' && isLauncher(join(entry, 'tailrace')));
  if (isOnPath) return 'tailrace';
  const near = relative(folder, LAUNCHER);
  return near.startsWith('..') ? LAUNCHER : `./${near}`;
}

function isLauncher(path: string): boolean {
  try {
    return realpathSync(path) === realpathSync(LAUNCHER);
  } catch {
    return false;
  }
}
