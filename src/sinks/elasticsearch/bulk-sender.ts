import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Backoff } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { OperatingError } from '../../lib/errors.ts';
import { faultPoint } from '../../lib/fault-point.ts';
import { type Bulk, actionBegin } from './bulk.ts';
import { type ItemFailure, busyError, judgeAnswer } from './bulk-answer.ts';
import { deadLetterOf, withBaseFields, withoutNamedFields } from './refused-document.ts';

/** Where requests go. Rejects with an OperatingError when the outcome is unknown, or none. */
export interface BulkTransport {
  /** `body` is gzipped. Resolves with the parsed answer of a server that took the request. */
  send(body: Uint8Array): Promise<unknown>;
}

export type SenderEvent =
  /** Told once when nothing goes in, and once when it does again. */
  | { readonly type: 'away'; readonly error: OperatingError }
  | { readonly type: 'back'; readonly awayMs: number }
  /** A document lost fields, or became a dead letter; told at the first and then each time their number has doubled. */
  | { readonly type: 'dropped_fields' | 'rejected'; readonly count: number; readonly reason: string };

export interface SenderParts {
  readonly transport: BulkTransport;
  readonly clock: Clock;
  /** A number in [0, 1): so that many sinks do not come back at the same moment. */
  readonly random: () => number;
  readonly deadLetterIndex: (json: string) => string;
  readonly notify?: (event: SenderEvent) => void;
}

/** A document that no index takes: its line is a dead letter. */
export interface Rejection {
  /** In the bulk. */
  readonly item: number;
  /** As it was sent first. */
  readonly json: string;
  /** What the server said. */
  readonly reason: string;
}

/** A piece that nobody takes, with what the server said. */
interface Refused {
  readonly piece: Piece;
  readonly reason: string;
}

/** A document on its way, with what has been tried. */
interface Piece {
  readonly item: number;
  readonly id: string;
  /** Action and document. */
  readonly bytes: Uint8Array;
  /** How often fields that a reason named were taken out; `base`: nothing but the line is left; `dead_letter`: in the index for those. */
  readonly stage: number | 'base' | 'dead_letter';
  /** It is no longer what the bulk holds. */
  readonly isMended: boolean;
}

type Outcome =
  | { readonly type: 'answered'; readonly failures: readonly ItemFailure[] }
  | { readonly type: 'too_large' }
  | { readonly type: 'unknown'; readonly error: OperatingError };

const PAUSE = { initialMs: 500, maxMs: 10_000, multiplier: 2 };
/** The server says one offending field at a time; a document with more of them keeps its line only. */
const NAMED_TRIES_MAX = 3;
/** A request that is not answered in time is cut in halves down to this: a slow server gets through, and a dead one no storm. */
const SLOW_PIECES_MIN = 500;
/** Level 1: a third of the time of the default, and still a tenth of the bytes. */
const GZIP = { level: 1 };
const gzipped = promisify<Uint8Array, typeof GZIP, Buffer>(gzip);

/** What is closed while bulks wait. */
export class SenderClosed extends Error {}

/**
 * Brings bulks to Elasticsearch until every document of them has its fate, however long that takes. Each item of an answer is judged alone; a
 * request whose outcome is unknown is sent again, since an id that is there already does not become a second document. When nothing goes in, all bulks of
 * the sink wait together, longer each time: one request per pause, and not one per document or bulk.
 */
export class BulkSender {
  readonly #parts: SenderParts;
  readonly #pauses = new Backoff(PAUSE);
  #notBeforeMs = -Infinity;
  #failuresInARow = 0;
  #awaySinceMs: number | undefined;
  #isClosed = false;
  readonly #counts = { dropped_fields: 0, rejected: 0 };

  constructor(parts: SenderParts) {
    this.#parts = parts;
  }

  /** What waits is given up. */
  close(): void {
    this.#isClosed = true;
  }

  /** Resolves when every document is stored or rejected; with those that are rejected. */
  async deliver(bulk: Bulk): Promise<Rejection[]> {
    const rejected: Refused[] = [];
    const queue: Piece[][] = [piecesOf(bulk)];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      await this.#calm();
      const outcome = await this.#ask(next, next.length === bulk.count ? bulk : undefined);
      if (outcome.type === 'unknown') {
        this.#trouble(outcome.error);
        const isSlow = outcome.error.code === 'ES_TIMEOUT' && next.length > SLOW_PIECES_MIN;
        queue.unshift(...(isSlow ? halves(next) : [next]));
      } else if (outcome.type === 'too_large' && next.length > 1) {
        queue.unshift(...halves(next));
      } else {
        const failures: readonly ItemFailure[] =
          outcome.type === 'answered' ? outcome.failures : [{ position: 0, type: 'refused', status: 413, reason: '' }];
        queue.push(...this.#judge(next, failures, rejected));
      }
    }
    return rejected.map(({ piece: { item }, reason }) => ({ item, json: documentOf(bulk.itemBytes(item)), reason }));
  }

  /** What must be sent once more: those the server could not take now, and those that were mended. */
  #judge(pieces: readonly Piece[], failures: readonly ItemFailure[], rejected: Refused[]): Piece[][] {
    const again: Piece[] = [];
    const mended: Piece[] = [];
    for (const failure of failures) {
      const piece = pieces[failure.position]!;
      if (failure.type === 'again') again.push(piece);
      else if (failure.type === 'kept_aside') {
        // A dead letter is the second document of a line that is rejected already.
        if (piece.stage !== 'dead_letter') this.#reject(piece, failure.reason, rejected);
      } else mended.push(...this.#mend(piece, failure, rejected));
    }
    if (again.length === pieces.length) {
      const { status, reason } = failures[0]!;
      this.#trouble(busyError('documents', status, reason));
    } else {
      this.#success();
      // Some go in: those that did not come again soon, without growing pauses.
      if (again.length > 0) this.#pause(PAUSE.initialMs);
    }
    return [mended, again].filter((list) => list.length > 0);
  }

  /** A refused document without what made it refused, or as a dead letter; nothing where there is no next step. */
  #mend(piece: Piece, { status, reason }: ItemFailure, rejected: Refused[]): Piece[] {
    const json = documentOf(piece.bytes);
    if (piece.stage === 'dead_letter') return [];
    if (typeof piece.stage === 'number') {
      const isNamed = piece.stage < NAMED_TRIES_MAX && status !== 413;
      const named = isNamed ? withoutNamedFields(json, reason) : undefined;
      const mended = named ?? withBaseFields(json);
      if (mended !== undefined) {
        if (piece.stage === 0) this.#count('dropped_fields', reason);
        return [
          {
            ...piece,
            bytes: replaced(piece.bytes, mended),
            stage: named === undefined ? 'base' : piece.stage + 1,
            isMended: true,
          },
        ];
      }
    }
    this.#reject(piece, reason, rejected);
    const letter = deadLetterOf(json, reason);
    const begin = actionBegin(this.#parts.deadLetterIndex(letter));
    const bytes = Buffer.concat([begin, Buffer.from(`${piece.id}"}}\n${letter}\n`)]);
    return [{ ...piece, bytes, stage: 'dead_letter', isMended: true }];
  }

  #reject(piece: Piece, reason: string, rejected: Refused[]): void {
    rejected.push({ piece, reason });
    this.#count('rejected', reason);
  }

  async #ask(pieces: readonly Piece[], whole: Bulk | undefined): Promise<Outcome> {
    const isAsWritten = whole !== undefined && !pieces.some(({ isMended }) => isMended);
    const body = isAsWritten ? whole.body() : Buffer.concat(pieces.map(({ bytes }) => bytes));
    const packed = await gzipped(body, GZIP);
    const sending = this.#parts.transport.send(packed);
    sending.catch(() => undefined);
    // One turn of the event loop later the request is on its way.
    await new Promise((resolve) => setImmediate(resolve));
    faultPoint('documents.bulk_sent');
    try {
      const answer = await sending;
      const failures = judgeAnswer(answer, pieces.length, (position) => pieces[position]!.id);
      if (failures === undefined) return { type: 'unknown', error: garbledError() };
      faultPoint('documents.bulk_acked');
      return { type: 'answered', failures };
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      return error.code === 'ES_TOO_LARGE' ? { type: 'too_large' } : { type: 'unknown', error };
    }
  }

  /** Waits until the pause is over that trouble has made. */
  async #calm(): Promise<void> {
    const { clock } = this.#parts;
    for (;;) {
      if (this.#isClosed) throw new SenderClosed();
      const waitMs = this.#notBeforeMs - clock.monotonicMs();
      if (!(waitMs > 0)) return;
      // In steps, so that a sink that is told to stop does not wait for the longest pause.
      await clock.sleep(Math.min(waitMs, PAUSE.initialMs));
    }
  }

  #trouble(error: OperatingError): void {
    const { clock, notify } = this.#parts;
    const nowMs = clock.monotonicMs();
    // Bulks that were in flight together fail together: that is one failure.
    if (nowMs < this.#notBeforeMs) return;
    this.#failuresInARow++;
    this.#pause(this.#pauses.next());
    // A single refusal is every day's; what goes on is news, once.
    if (this.#failuresInARow < 2 || this.#awaySinceMs !== undefined) return;
    this.#awaySinceMs = nowMs;
    notify?.({ type: 'away', error });
  }

  #success(): void {
    const { clock, notify } = this.#parts;
    this.#failuresInARow = 0;
    this.#pauses.reset();
    if (this.#awaySinceMs === undefined) return;
    notify?.({ type: 'back', awayMs: clock.monotonicMs() - this.#awaySinceMs });
    this.#awaySinceMs = undefined;
  }

  #pause(ms: number): void {
    this.#notBeforeMs = this.#parts.clock.monotonicMs() + ms * (0.5 + this.#parts.random() / 2);
  }

  #count(type: 'dropped_fields' | 'rejected', reason: string): void {
    const count = ++this.#counts[type];
    if (Number.isInteger(Math.log2(count))) this.#parts.notify?.({ type, count, reason });
  }
}

function piecesOf(bulk: Bulk): Piece[] {
  return Array.from({ length: bulk.count }, (_, item) => ({
    item,
    id: bulk.id(item),
    bytes: bulk.itemBytes(item),
    stage: bulk.accounts[item] === undefined ? ('dead_letter' as const) : 0,
    isMended: false,
  }));
}

function halves(pieces: Piece[]): Piece[][] {
  const middle = Math.ceil(pieces.length / 2);
  return [pieces.slice(0, middle), pieces.slice(middle)];
}

const NEWLINE = 0x0a;

/** The document of an action and its document. */
function documentOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    .toString('utf8', bytes.indexOf(NEWLINE) + 1)
    .trimEnd();
}

function replaced(bytes: Uint8Array, json: string): Uint8Array {
  return Buffer.concat([bytes.subarray(0, bytes.indexOf(NEWLINE) + 1), Buffer.from(`${json}\n`)]);
}

function garbledError(): OperatingError {
  return new OperatingError('Elasticsearch: the answer to a bulk is not the one to what was sent', {
    code: 'ES_UNREACHABLE',
    isRetryable: true,
    hint: 'look at what stands between here and Elasticsearch; it is sent again',
  });
}
