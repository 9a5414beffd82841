// A server of the tests as a child process: in a process group of its own, with its last lines kept for error messages,
// and ended when the test process ends in whatever way.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** Lines kept of what a server prints. */
const KEPT_LINES = 400;
const TAIL_LINES = 25;
const STOP_TIMEOUT_MS = 30_000;
/** For the last words of a server that ended by itself; a child of its own may keep them open for ever. */
const LAST_WORDS_MS = 500;

/**
 * Waits for the end of its input, which comes when the test process stops or dies, even by SIGKILL; then it kills the
 * server's group and removes its folder. The word `done` tells it that there is nothing left to do.
 */
const WATCHDOG = `read -r word; [ "$word" = done ] || { kill -s KILL -- "-$0" 2>/dev/null; [ -z "$1" ] || rm -rf -- "$1"; }`;

/** Told what becomes of a server by whoever wants to know more than whether it is ready. */
export interface ServerObserver {
  started(pid: number): void;
  /** One line that it printed. */
  line(text: string): void;
  /** It ended, and nobody had asked for it; `how` as in `killed by SIGKILL`. The rest of its group is killed. */
  ended(how: string): void;
}

export interface ServerOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Where it runs; removed when the test process dies without stopping the server, unless it is to be kept. */
  readonly folder: string;
  readonly keepFolder?: boolean;
  readonly user?: { readonly uid: number; readonly gid: number };
  readonly observer?: ServerObserver | undefined;
}

export class ServerProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #watchdog: ChildProcess;
  readonly #lines: string[] = [];
  readonly #ended: Promise<void>;
  readonly #observer: ServerObserver | undefined;
  #isAskedToEnd = false;

  constructor({ name, command, args, env, folder, keepFolder = false, user, observer }: ServerOptions) {
    this.name = name;
    this.#observer = observer;
    this.#child = spawn(command, args, {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      ...user,
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', resolve);
      this.#child.once('error', (error) => {
        this.#keep(error.message);
        resolve();
      });
    });
    this.#child.once('exit', (code, signal) => void this.#noticeEnd(code, signal));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.#keep(line));
    }
    if (this.#child.pid !== undefined) observer?.started(this.#child.pid);
    const group = String(this.#child.pid ?? 0);
    this.#watchdog = spawn('sh', ['-c', WATCHDOG, group, keepFolder ? '' : folder], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#watchdog.stdin?.on('error', () => {});
  }

  #keep(line: string): void {
    if (line.trim() === '') return;
    this.#lines.push(line);
    if (this.#lines.length > KEPT_LINES) this.#lines.splice(0, this.#lines.length - KEPT_LINES);
    this.#observer?.line(line);
  }

  async #noticeEnd(code: number | null, signal: NodeJS.Signals | null): Promise<void> {
    if (this.#isAskedToEnd) return;
    // A part of a server is of no use, and nobody would end it later.
    this.#signalGroup('SIGKILL');
    await Promise.race([once(this.#child, 'close'), sleep(LAST_WORDS_MS, undefined, { ref: false })]);
    this.#observer?.ended(signal === null ? `exit code ${code}` : `killed by ${signal}`);
  }

  /** Of the first process of its group. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The last lines that it printed. */
  tail(lines = TAIL_LINES): string {
    return this.#lines.slice(-lines).join('\n');
  }

  /** To every process of its group. */
  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) this.#signalGroup(signal);
  }

  #signalGroup(signal: NodeJS.Signals): void {
    if (this.pid === 0) return;
    try {
      process.kill(-this.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Ends it, by SIGTERM unless told otherwise, and resolves when it has ended. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#isAskedToEnd = true;
    this.signal(signal);
    const late = new AbortController();
    const timeout = sleep(STOP_TIMEOUT_MS, undefined, { signal: late.signal }).then(
      () => this.signal('SIGKILL'),
      () => {},
    );
    await this.#ended;
    late.abort();
    await timeout;
    if (this.#watchdog.exitCode === null) {
      this.#watchdog.stdin?.end('done\n');
      await once(this.#watchdog, 'exit');
    }
  }

  /** Resolves when `probe` does so without an error; fails with the server's last words when it ends or takes too long. */
  async ready(probe: () => Promise<void>, timeoutMs: number): Promise<void> {
    const deadlineMs = Date.now() + timeoutMs;
    for (;;) {
      try {
        return await probe();
      } catch (error) {
        const why = this.isRunning ? `is not ready after ${timeoutMs} ms` : 'ended while it started';
        if (!this.isRunning || Date.now() > deadlineMs) {
          throw new Error(`${this.name} ${why}: ${String(error)}\n${this.tail()}`, { cause: error });
        }
        await sleep(100);
      }
    }
  }
}

/** Below the ports that systems give to outgoing connections, which could take one while its server starts, or is down for a moment. */
const FIRST_PORT = 15_000;
/** Each worker of Jest takes from ports of its own. */
const PORTS_EACH = 1_000;
const WORKERS_MAX = 16;

/** Goes around, so that a port which was given, and on which nobody listens yet, is not given again at once. */
let nextPort = randomInt(PORTS_EACH);

/** Ports of the loopback that nobody listens on now; all are held until all are known, so they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const first = FIRST_PORT + PORTS_EACH * (Number(process.env['JEST_WORKER_ID'] ?? 0) % WORKERS_MAX);
  const holders = new Map<number, Server>();
  for (let tried = 0; tried < PORTS_EACH && holders.size < count; tried += 1) {
    const port = first + nextPort;
    nextPort = (nextPort + 1) % PORTS_EACH;
    const holder = createServer().listen(port, '127.0.0.1');
    const isFree = await once(holder, 'listening').then(
      () => true,
      () => false,
    );
    if (isFree) holders.set(port, holder);
  }
  if (holders.size < count) throw new Error(`of ${PORTS_EACH} ports from ${first} on, not even ${count} are free`);
  await Promise.all([...holders.values()].map((holder) => new Promise((resolve) => holder.close(resolve))));
  return [...holders.keys()];
}
