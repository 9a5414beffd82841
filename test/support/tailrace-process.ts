import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { NODE_FLAGS } from './node-flags.ts';

const PROGRAM = resolve('dist/main.js');

/** How a command ended, and what it said. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  readonly cwd: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** What `ulimit -n` sets. */
  readonly openFilesMax?: number;
  /** In place of the program that was built. */
  readonly program?: string;
}

/** A running `tailrace`, as built in dist. */
export class Tailrace {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[], { cwd, environment = {}, openFilesMax, program = PROGRAM }: StartOptions) {
    if (!existsSync(program)) throw new Error(`there is no ${program}: run make build`);
    const command = [process.execPath, ...NODE_FLAGS, program, ...args];
    const limited = ['sh', '-c', `ulimit -n ${openFilesMax}; exec "$0" "$@"`, ...command];
    const [executable = '', ...rest] = openFilesMax === undefined ? command : limited;
    this.child = spawn(executable, rest, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    this.child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString('utf8')));
    this.child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString('utf8')));
    this.ended = new Promise((resolveEnded) =>
      this.child.once('close', (code, signal) =>
        resolveEnded({ code, signal, stdout: this.stdout, stderr: this.stderr }),
      ),
    );
  }

  /** Waits until it has said something, on stderr. */
  async says(pattern: RegExp, withinMs = 120_000): Promise<void> {
    await until(
      () => pattern.test(this.stderr),
      withinMs,
      () => `said no ${pattern}: ${this.stderr}`,
    );
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }
}

/** Runs a command to its end. */
export function tailrace(args: readonly string[], options: StartOptions): Promise<Ended> {
  return new Tailrace(args, options).ended;
}

export async function until(
  isTrue: () => boolean | Promise<boolean>,
  withinMs: number,
  describe: () => string,
): Promise<void> {
  const endMs = systemClock.monotonicMs() + withinMs;
  while (!(await isTrue())) {
    if (systemClock.monotonicMs() > endMs) throw new Error(`after ${withinMs} ms: ${describe()}`);
    await systemClock.sleep(20);
  }
}

/** Processes that were started for a folder: its path stands in their arguments or is where they work. */
export function processesOf(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      if (pid === process.pid) return false;
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder);
      } catch {
        return false;
      }
    });
}

/** It may end by itself between the look and the kill. */
function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** A folder for one test, with whatever still runs for it killed at the end. */
export function workFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'tailrace-system-'));
  return {
    path,
    remove: () => {
      for (const pid of processesOf(path)) killIfAlive(pid);
      rmSync(path, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}
