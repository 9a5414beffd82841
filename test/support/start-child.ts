import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { AppendJob } from './log-child.ts';
import type { LogHarness } from './log-harness.ts';
import { NODE_FLAGS } from './node-flags.ts';

const SCRIPT = join(import.meta.dirname, 'log-child.ts');

export interface LogChild {
  readonly process: ChildProcessByStdio<null, Readable, null>;
  /** Resolves at its end with what it said: `<number> <offset>` or `error <code>` for each append, in order. */
  readonly lines: Promise<readonly string[]>;
}

export interface ChildOptions {
  /** `TAILRACE_FAULT`. */
  readonly fault?: string;
  /** A line of shell that runs before it, such as a limit. */
  readonly shell?: string;
}

/** Starts `log-child.ts`, which makes the topic with one partition if it is missing, and appends. */
export function startChild(
  child: NonNullable<LogHarness['child']>,
  job: AppendJob,
  options: ChildOptions = {},
): LogChild {
  const env = { ...process.env, ...(options.fault === undefined ? {} : { TAILRACE_FAULT: options.fault }) };
  const args = [...NODE_FLAGS, SCRIPT, child.module, child.argument, JSON.stringify(job)];
  const stdio: ['ignore', 'pipe', 'inherit'] = ['ignore', 'pipe', 'inherit'];
  const started =
    options.shell === undefined
      ? spawn(process.execPath, args, { stdio, env })
      : spawn('sh', ['-c', `${options.shell}; exec "$0" "$@"`, process.execPath, ...args], { stdio, env });
  let text = '';
  started.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  // What a killed process left of a line was not said.
  const lines = once(started, 'close').then(() => text.split('\n').slice(0, -1));
  return { process: started, lines };
}
