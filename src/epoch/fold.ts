import type { Message } from '../broker/broker.ts';
import { EXIT, OperatingError, describeError } from '../lib/errors.ts';
import { isMutant } from '../lib/mutant.ts';
import { decodeGenesis } from '../record/control.ts';
import { decodeBody, decodeEnvelope } from './codec.ts';
import type { EpochBody, EpochEnvelope } from './epoch.ts';

/** Parts of epochs that may still count are held at most to this size: a snapshot is not larger, and a dead writer's parts are dropped. */
const PARTS_BYTES_MAX = 2 * 1024 ** 3;

/** An epoch that counts. */
export interface CountedEpoch {
  readonly envelope: EpochEnvelope;
  /** Undefined when the fold follows envelopes only. */
  readonly body: EpochBody | undefined;
  /** Offset of its first message: where a partition may be trimmed to, if it is a snapshot. */
  readonly firstOffset: number;
  /** Offset of the epoch message itself. A reader's cursor after it is this + 1. */
  readonly offset: number;
  /** Size of its body as encoded; 0 when the fold follows envelopes only. */
  readonly sizeBytes: number;
}

/** The end of the chain: what the next epoch that counts must follow. */
export interface ChainEnd {
  readonly id: string;
  readonly n: number;
  readonly to: number;
}

export interface FoldOptions {
  /** Names the partition in errors. */
  readonly name: string;
  readonly hasBodies: boolean;
  /** Where the reader begins. At 0 the genesis comes first; elsewhere see `chain`. */
  readonly offset: number;
  /**
   * The chain's end just before `offset`, for a reader that goes on from its cursor. Without it and with `offset` above 0 the partition was
   * trimmed: `offset` is a counted snapshot (see `fold-start.ts`), so the first record counts by definition.
   */
  readonly chain?: ChainEnd;
}

/**
 * The epoch rule (docs/DESIGN.md): an epoch counts iff its `prev` is the id of the last epoch that counted; the first one's is the
 * log's id. First in log order wins. Everything that reads epochs goes through this class, so all readers agree.
 */
export class Fold {
  readonly #options: FoldOptions;
  #expectedOffset: number;
  #chain: ChainEnd | undefined;
  /** Header of the last message that was pushed. */
  #lastHeader: Uint8Array | undefined;
  #parts = new Map<string, { firstOffset: number; count: number; values: Uint8Array[]; sizeBytes: number }>();
  /** Id of the genesis record, once it has been read. */
  logId: string | undefined;
  /** Records that did not count. */
  uncounted = 0;

  constructor(options: FoldOptions) {
    this.#options = options;
    this.#expectedOffset = options.offset;
    this.#chain = options.chain;
  }

  /** The end of the counted chain, or undefined before the genesis or the trimmed partition's first record. */
  get chain(): ChainEnd | undefined {
    return this.#chain;
  }

  /** The offset the next message must have. */
  get nextOffset(): number {
    return this.#expectedOffset;
  }

  /**
   * For a reader that comes back to the log: throws unless `message`, read at `nextOffset` − 1, is the one that was pushed last. A log that
   * has lost its end and grown again would otherwise be gone on with by a reader that alone remembers what was lost.
   */
  checkLast(message: Message): void {
    const isSame =
      message.offset === this.#expectedOffset - 1 && Buffer.compare(message.header, this.#lastHeader!) === 0;
    if (isSame) return;
    throw new OperatingError(`${this.#options.name}: message ${message.offset} is not the one that was read there`, {
      code: 'LOG_FORKED',
      exitCode: EXIT.mismatch,
      hint: 'the log has lost its end, or another one was put in its place: begin again from what it holds now',
    });
  }

  /** Takes the next message in log order and returns the epoch that counts with it, if one does. Throws OperatingErrors for holes and damage. */
  push(message: Message): CountedEpoch | undefined {
    this.#checkPlace(message);
    this.#expectedOffset = message.offset + 1;
    this.#lastHeader = message.header;
    if (message.kind === 'genesis') return this.#genesis(message);
    if (message.kind !== 'epoch' && message.kind !== 'part') return undefined;
    const envelope = this.#read(message, 'envelope', () => decodeEnvelope(message.header));
    const isFirstOfTrimmed = this.#chain === undefined;
    if (isFirstOfTrimmed) {
      if (!envelope.isSnapshot || envelope.part !== 0) throw this.#broken('begins at what is not a snapshot');
      this.#chain = { id: envelope.prev, n: envelope.n - 1, to: envelope.from };
    }
    if (!isChained(envelope, this.#chain!)) return this.#reject();
    return message.kind === 'part' ? this.#part(message, envelope) : this.#epoch(message, envelope);
  }

  #checkPlace(message: Message): void {
    const { name } = this.#options;
    if (message.offset !== this.#expectedOffset) {
      throw new OperatingError(
        `${name}: offset ${this.#expectedOffset} is missing, the next message is ${message.offset}`,
        {
          code: 'LOG_HOLE',
          hint: 'the log was damaged: restore it, or begin again in another data_dir',
        },
      );
    }
    if (message.damaged === undefined) return;
    throw new OperatingError(`${name}: message ${message.offset} is damaged: ${message.damaged}`, {
      code: 'LOG_DAMAGED',
      hint: 'restore the log from a copy, or begin again in another data_dir',
    });
  }

  #genesis(message: Message): undefined {
    // Two writers may both have found the partition empty: the first record counts, a second genesis says nothing.
    if (message.offset !== 0) return undefined;
    this.logId = this.#read(message, 'genesis', () => decodeGenesis(message.header)).log;
    this.#chain = { id: this.logId, n: 0, to: 0 };
    return undefined;
  }

  #reject(): undefined {
    this.uncounted++;
    return undefined;
  }

  #part(message: Message, envelope: EpochEnvelope): undefined {
    const known = this.#parts.get(envelope.id);
    if (known === undefined) {
      if (envelope.part !== 0) return this.#reject();
      this.#parts.set(envelope.id, {
        firstOffset: message.offset,
        count: 1,
        values: [message.value],
        sizeBytes: message.value.length,
      });
    } else if (envelope.part === known.count) {
      known.count++;
      known.values.push(message.value);
      known.sizeBytes += message.value.length;
      if (known.sizeBytes > PARTS_BYTES_MAX)
        throw this.#broken(`epoch ${envelope.n} is larger than ${PARTS_BYTES_MAX} bytes`);
    }
    return undefined;
  }

  #epoch(message: Message, envelope: EpochEnvelope): CountedEpoch | undefined {
    const parts = this.#parts.get(envelope.id);
    if ((parts?.count ?? 0) !== envelope.parts - 1) return this.#reject();
    const chain = this.#chain!;
    if (envelope.prev === chain.id) {
      if (envelope.from !== chain.to || envelope.to < envelope.from)
        throw this.#broken(
          `epoch ${envelope.n} is of ${envelope.from} to ${envelope.to}, the chain ends at ${chain.to}`,
        );
      if (envelope.n !== chain.n + 1) throw this.#broken(`epoch ${envelope.n} follows ${chain.n}`);
    }
    this.#chain = { id: envelope.id, n: envelope.n, to: envelope.to };
    // The chain has moved: no other epoch that is under way can count any more.
    this.#parts.clear();
    const body = this.#options.hasBodies ? this.#decode(message, envelope, parts?.values ?? []) : undefined;
    const sizeBytes = (parts?.sizeBytes ?? 0) + message.value.length;
    return { envelope, body, firstOffset: parts?.firstOffset ?? message.offset, offset: message.offset, sizeBytes };
  }

  #decode(message: Message, envelope: EpochEnvelope, values: readonly Uint8Array[]): EpochBody {
    const bytes = values.length === 0 ? message.value : Buffer.concat([...values, message.value]);
    return this.#read(message, `epoch ${envelope.n}`, () => decodeBody(bytes));
  }

  /** An epoch counts by its predecessor's id alone: one that does, and lies, was written by nobody who folds as we do. */
  #broken(what: string): OperatingError {
    return new OperatingError(`${this.#options.name}: ${what}`, {
      code: 'LOG_DAMAGED',
      exitCode: EXIT.mismatch,
      hint: 'see who else writes there; restore the log from a copy, or give the pipeline (of documents: the sink) another name',
    });
  }

  /** What the checksums of the log did not see is damage all the same: nothing that is unreadable may be skipped. */
  #read<T>(message: Message, what: string, decode: () => T): T {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof SyntaxError)) throw error;
      throw new OperatingError(
        `${this.#options.name}: the ${what} at ${message.offset} is damaged: ${describeError(error)}`,
        {
          code: 'LOG_DAMAGED',
          hint: 'restore the log from a copy, or begin again in another data_dir',
          cause: error,
        },
      );
    }
  }
}

/** The epoch rule itself. */
function isChained(envelope: EpochEnvelope, chain: ChainEnd): boolean {
  if (isMutant('epoch.every_counts')) return true;
  if (isMutant('epoch.any_snapshot_counts') && envelope.isSnapshot) return true;
  return envelope.prev === chain.id;
}
