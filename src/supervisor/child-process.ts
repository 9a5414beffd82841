import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Exit, Service, ServiceProcess, StartProcess } from './service.ts';

/**
 * V8 for roles that share few cores: they allocate buffers and little else, so helper threads of the garbage collector cost more CPU
 * than they save, and a larger young generation lets a block's garbage die there (measured: 25 % less CPU in the engine). Buffers outside of the
 * heap are what brings the collector in, every 64 MiB; a heap of 15 MiB is marked at once in 10 ms, and in steps for twice the CPU.
 *
 * No function is compiled in another thread: a compiler that waits for the collector when the process exits is waited for in turn, for ever
 * (nodejs/node#54918; seen once in 400 exits of an agent). The launcher says the same of every command.
 */
const ROLE_FLAGS = [
  '--single-threaded-gc',
  '--no-incremental-marking',
  '--max-semi-space-size=16',
  '--no-concurrent-sparkplug',
  '--no-concurrent-recompilation',
];

export interface ChildOptions {
  /** The program: dist/main.js, or src/main.ts while developing. */
  readonly program: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Where they work; this process's own folder by default. */
  readonly folder?: string;
  /** Lines the role writes to stderr or stdout; it has nothing else to say there. */
  readonly onLine: (service: string, line: string) => void;
  /** What the role reports of its progress; rare. */
  readonly onMessage?: (service: string, message: unknown) => void;
}

/**
 * Starts roles as child processes with an IPC channel. Little is sent over it: it is there to break when this process dies,
 * whatever the way, so that no role outlives its supervisor.
 */
export function childProcesses(options: ChildOptions): StartProcess {
  return (service: Service): ServiceProcess => {
    const child = spawn(process.execPath, [...process.execArgv, ...ROLE_FLAGS, options.program, ...service.args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: options.environment,
      cwd: options.folder,
    });
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => options.onLine(service.name, line));
    }
    const { onMessage } = options;
    if (onMessage !== undefined) child.on('message', (message) => onMessage(service.name, message));
    const exited = new Promise<Exit>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
      child.once('error', (error: NodeJS.ErrnoException) => {
        // The process could not be started at all: then no exit follows.
        if (child.pid === undefined) {
          options.onLine(service.name, `cannot be started: ${error.message}`);
          resolve({ code: 1, signal: null });
        }
      });
    });
    return { pid: child.pid ?? 0, exited, kill: (signal) => void child.kill(signal) };
  };
}

/** In a role: dies with the supervisor. A role that was started by hand has no channel and lives on its own. */
export function dieWithSupervisor(): void {
  if (process.channel === undefined) return;
  // SIGKILL, not exit: nothing may run after it, and every role must be safe to kill at any time anyway.
  const die = (): void => void process.kill(process.pid, 'SIGKILL');
  process.once('disconnect', die);
  // It may have died while this process was loading its program: then no event follows.
  if (!process.connected) die();
  process.channel?.unref();
}
