// What one part of the stack prints, in a file that does not grow for ever.
import { appendFileSync, existsSync, renameSync, statSync } from 'node:fs';

/** Then it is renamed to `….1`, over the one before: at most twice as much is kept of a part, some days of a quiet one. */
const MAX_BYTES = 4 << 20;

export class PartLog {
  readonly path: string;
  /** What was written last; empty before. */
  lastLine = '';
  readonly #maxBytes: number;
  #sizeBytes: number;

  constructor(path: string, maxBytes = MAX_BYTES) {
    this.path = path;
    this.#maxBytes = maxBytes;
    this.#sizeBytes = existsSync(path) ? statSync(path).size : 0;
  }

  write(line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    if (this.#sizeBytes > 0 && this.#sizeBytes + bytes.length > this.#maxBytes) {
      renameSync(this.path, `${this.path}.1`);
      this.#sizeBytes = 0;
    }
    appendFileSync(this.path, bytes);
    this.#sizeBytes += bytes.length;
    this.lastLine = line;
  }
}
