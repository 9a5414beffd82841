// Whether something runs here: the stack without containers, or `tailrace` on a folder of data. Locks say so, since they end with
// whoever holds them, however it dies; the pids beside them are for people.
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { RoleLock } from '../../src/lib/role-lock.ts';
import { acquireRoleLock } from '../../src/lib/role-lock.ts';

/** What is known of the parts of a stack: its lock, their pids, and what they print. Not stack-data/logs: the agent reads that. */
export const partsFolder = (folder: string): string => join(folder, 'stack-data', 'parts');

/** Of the pipeline that the stack runs. */
export const rolesFolder = (folder: string): string => join(folder, 'stack-data', 'tailrace', 'run');

const STACK = 'stack';

export interface Running {
  /** `stack`, or a role of `tailrace`: `run`, `agent`, … */
  readonly role: string;
  /** As it wrote it down. */
  readonly pid: number | undefined;
}

/** Held until released, or until this process ends. Throws where another has it. */
export function holdStack(folder: string): RoleLock {
  const other = runningStack(folder);
  if (other !== undefined) throw new Error(`\`make stack\` runs here already: ${howToStop(other)}`);
  // The lock would make it for its own user only, and Elasticsearch may run as another.
  mkdirSync(partsFolder(folder), { recursive: true });
  return acquireRoleLock(partsFolder(folder), STACK);
}

/** The stack that `make stack` runs in `folder`, if it does. */
export const runningStack = (folder: string): Running | undefined =>
  runningIn(partsFolder(folder)).find(({ role }) => role === STACK);

/** Who holds the locks of a run folder. `run` comes first: it has started the others. */
export function runningIn(runFolder: string): Running[] {
  if (!existsSync(runFolder)) return [];
  return readdirSync(runFolder)
    .filter((name) => name.endsWith('.lock') && isHeld(join(runFolder, name)))
    .map((name) => name.slice(0, -'.lock'.length))
    .sort((a, b) => Number(b === 'run') - Number(a === 'run') || (a < b ? -1 : 1))
    .map((role) => ({ role, pid: pidIn(runFolder, role) }));
}

/** What a part or a role wrote down; it may have ended since. */
export function pidIn(runFolder: string, role: string): number | undefined {
  const path = join(runFolder, `${role}.pid`);
  const pid = existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0;
  return pid > 0 ? pid : undefined;
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Elasticsearch may belong to another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** For whoever must wait for its end. */
export function howToStop({ role, pid }: Running): string {
  const kill = pid === undefined ? '' : `\`kill ${pid}\``;
  if (role !== STACK) return kill === '' ? 'stop it first' : `${kill} stops it`;
  return `Ctrl-C there${kill === '' ? '' : `, or ${kill},`} stops it`;
}

/** Looks without taking it, so that nobody who starts just now is turned away. */
function isHeld(lockPath: string): boolean {
  const database = new DatabaseSync(lockPath, { readOnly: true });
  try {
    database.exec('select count(*) from sqlite_schema');
    return false;
  } catch {
    return true;
  } finally {
    database.close();
  }
}
