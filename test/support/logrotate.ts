import { execFile } from 'node:child_process';
import { closeSync, existsSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Random } from './random.ts';
import type { SerialLines } from './serial-lines.ts';

/** Debian keeps it where only root looks. */
const PATH = `${process.env['PATH']}:/usr/sbin:/sbin`;
const TICK_MS = 10;

/**
 * A server that keeps its log file open, writes pieces that end anywhere, and does what its operator told logrotate: it pauses while its
 * file is copied and truncated, or opens it anew once it was renamed.
 */
export class LogServer {
  readonly #lines: SerialLines;
  readonly #path: string;
  readonly #folder: string;
  readonly #random: Random;
  #descriptor: number;
  #rest = '';
  /** The last line of the file that was rotated last. */
  lastRotated = 0;
  #timer: NodeJS.Timeout | undefined;
  /** What the rotation waits for once the old file has its last line: whoever compresses it must know that it was read. */
  mayGo: (lastLine: number) => Promise<void> = () => Promise.resolve();

  constructor(lines: SerialLines, path: string, folder: string, seed: number) {
    this.#lines = lines;
    this.#path = path;
    this.#folder = folder;
    this.#random = new Random(seed);
    this.#descriptor = openSync(path, 'a');
  }

  start(): void {
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Writes its last line to the end, and no more. */
  stop(): void {
    clearInterval(this.#timer);
    this.#flush();
  }

  close(): void {
    clearInterval(this.#timer);
    closeSync(this.#descriptor);
  }

  #tick(): void {
    if (this.#isAsked('pause')) {
      this.#flush();
      this.lastRotated = this.#lines.written;
      return this.#answer('paused');
    }
    if (this.#isAsked('reopen')) return this.#reopen();
    const text = this.#rest + this.#lines.take(1 + this.#random.below(15));
    const cut = text.length - this.#random.below(60);
    writeSync(this.#descriptor, text.slice(0, cut));
    this.#rest = text.slice(cut);
  }

  #reopen(): void {
    this.#flush();
    this.lastRotated = this.#lines.written;
    closeSync(this.#descriptor);
    this.#descriptor = openSync(this.#path, 'a');
    rmSync(join(this.#folder, 'reopen'));
    const answer = (): void => this.#answer('reopened');
    void this.mayGo(this.#lines.written).then(answer, answer);
  }

  #flush(): void {
    writeSync(this.#descriptor, this.#rest);
    this.#rest = '';
  }

  #isAsked(what: string): boolean {
    return existsSync(join(this.#folder, what));
  }

  #answer(what: string): void {
    writeFileSync(join(this.#folder, what), '');
  }
}

/** The scripts that tell a LogServer what happens: it answers before logrotate goes on. */
function scripts(folder: string, isCopy: boolean): string {
  const ask = (question: string, answer: string): string =>
    `rm -f '${folder}/${answer}'; : > '${folder}/${question}'; while [ ! -e '${folder}/${answer}' ]; do sleep 0.01; done`;
  if (!isCopy) return `postrotate\n${ask('reopen', 'reopened')}\nendscript`;
  return `prerotate\n${ask('pause', 'paused')}\nendscript\npostrotate\nrm '${folder}/pause'\nendscript`;
}

/** Rotates one log with Debian's logrotate as often as it is asked, whatever the size and the day. */
export class Logrotate {
  readonly #config: string;
  readonly #state: string;

  constructor(folder: string, log: string, directives: readonly string[]) {
    this.#config = join(folder, 'logrotate.conf');
    this.#state = join(folder, 'logrotate.state');
    const isCopy = directives.includes('copytruncate');
    const lines = ['rotate 40', ...directives].join('\n');
    writeFileSync(this.#config, `'${log}' {\n${lines}\n${scripts(folder, isCopy)}\n}\n`, { mode: 0o600 });
  }

  async rotate(): Promise<void> {
    const args = ['--force', '--state', this.#state, this.#config];
    await promisify(execFile)('logrotate', args, { env: { ...process.env, PATH } });
  }
}
