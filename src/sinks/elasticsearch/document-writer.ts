import { exactInteger } from '../../lib/exact-integer.ts';
import { type Batch, type Column, type FieldType, type Verdict, isStringType } from '../../record/batch.ts';
import { type SourceId, agentOf } from '../../record/source.ts';
import type { JsonWriter } from './json-writer.ts';

/** The version of the Elastic Common Schema whose names are used. */
export const ECS_VERSION = '9.2.0';

/** What a document says of its line beside the codec's fields. A field of the same name that the codec declares takes its place. */
const TIMESTAMP = '@timestamp';
const MESSAGE = 'message';
const ORIGINAL = 'event.original';
/** Ours alone: no codec's field may take their place. `event.original` is the line and nothing else, where a document has it. */
const OWN = /^(tailrace(\..*)?|event\.original)$/;

/** A decoded batch with what the task found out about it. */
export interface DocumentBatch {
  readonly batch: Batch;
  readonly source: SourceId;
  readonly path: string;
  readonly readAtMs: number;
  readonly hashA: Uint32Array;
  readonly hashB: Uint32Array;
  readonly verdicts: readonly Verdict[];
  /** Why a dead letter could not be read. */
  detailOf(line: number): string;
}

export interface DocumentField {
  readonly name: string;
  readonly type: FieldType;
}

interface FieldPlan {
  readonly name: string;
  readonly column: number;
  readonly kind: 'text' | 'count' | 'number' | 'flag' | 'time';
  /** `,"name":`, and for text the quote that opens it. */
  readonly key: Buffer;
}

/** The fields of a codec that documents have: all but those that a document says itself. */
export function documentFields(fields: Readonly<Record<string, FieldType>>): DocumentField[] {
  return Object.entries(fields)
    .filter(([name]) => name !== TIMESTAMP && !OWN.test(name))
    .map(([name, type]) => ({ name, type }));
}

/**
 * Writes lines as ECS documents, names with dots: `@timestamp` is event time, `message` the line as it was (or, where the codec has a field
 * of this name, `event.original`), and every field of the codec that is not NULL. Two lanes of the line id's hash (record/line-id.ts) stand
 * beside them, so that an audit can add up what an index holds.
 */
export class DocumentWriter {
  readonly #plans: readonly FieldPlan[];
  readonly #stream: string;
  readonly #declared: ReadonlySet<string>;
  readonly #lineKey: Buffer;
  readonly #offsetKey: Buffer;
  /** What is the same for all lines of a block, each with a comma before it: nothing, where the codec declares all of it. */
  #ofBlock = Buffer.alloc(0);

  constructor(stream: string, fields: readonly DocumentField[]) {
    this.#stream = stream;
    this.#declared = new Set(fields.map(({ name }) => name));
    this.#plans = fields.map(({ name, type }, column) => ({
      name,
      column,
      kind: kindOf(type),
      key: keyOf(name, isStringType(type)),
    }));
    this.#lineKey = keyOf(this.#declared.has(MESSAGE) ? ORIGINAL : MESSAGE, true);
    this.#offsetKey = this.#declared.has('log.offset') ? Buffer.alloc(0) : keyOf('log.offset', false);
  }

  /** To be called before the lines of each block. */
  beginBlock({ source, path, readAtMs }: DocumentBatch): void {
    const all: Readonly<Record<string, string>> = {
      'ecs.version': ECS_VERSION,
      'event.dataset': this.#stream,
      'event.created': new Date(readAtMs).toISOString(),
      'agent.id': agentOf(source),
      ...(path === '' ? {} : { 'log.file.path': path }),
    };
    const own = Object.entries(all).filter(([name]) => !this.#declared.has(name));
    this.#ofBlock = Buffer.from(
      own.map(([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`).join(''),
    );
  }

  /** One document, without a newline behind it. */
  write(json: JsonWriter, { batch, hashA, hashB }: DocumentBatch, line: number): void {
    json.raw(BEGIN);
    json.time(batch.eventTimeMs[line]!);
    json.raw(this.#ofBlock);
    if (this.#offsetKey.length > 0) {
      json.raw(this.#offsetKey);
      json.count(batch.lineOffset[line]!);
    }
    json.raw(HASH_A);
    json.count(hashA[line]!);
    json.raw(HASH_B);
    json.count(hashB[line]!);
    json.raw(this.#lineKey);
    json.text(batch.bytes, batch.lineStart[line]!, batch.lineEnd[line]!);
    json.raw(QUOTE);
    let dropped: string[] | undefined;
    for (const plan of this.#plans) if (!writeField(json, plan, batch, line)) (dropped ??= []).push(plan.name);
    if (dropped !== undefined) json.raw(Buffer.from(`,"tailrace.dropped_fields":${JSON.stringify(dropped)}`));
    json.raw(BRACE);
  }
}

const BEGIN = Buffer.from(`{"${TIMESTAMP}":`);
const HASH_A = keyOf('tailrace.hash_a', false);
const HASH_B = keyOf('tailrace.hash_b', false);
const QUOTE = Buffer.from('"');
const BRACE = Buffer.from('}');
const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');

/** False where the document must do without the field: it is a number that is too large for its type, and stands in the line. */
function writeField(json: JsonWriter, { column, kind, key }: FieldPlan, batch: Batch, line: number): boolean {
  const cells: Column = batch.columns[column]!;
  if (cells.kind === 'string') {
    const length = cells.length[line]!;
    if (length < 0) return true;
    json.raw(key);
    const start = cells.start[line]!;
    if (start >= 0) json.text(batch.bytes, start, start + length);
    else json.text(batch.scratch, -1 - start, -1 - start + length);
    json.raw(QUOTE);
    return true;
  }
  const value = cells.values[line]!;
  if (value !== value) return true;
  if (value - value !== 0) return false;
  json.raw(key);
  if (kind === 'count' && cells.rest !== undefined)
    json.raw(Buffer.from(String(exactInteger(value + 0, cells.rest[line]!))));
  else if (kind === 'count' && value >= 0) json.count(value);
  else if (kind === 'time') json.time(value);
  else if (kind === 'flag') json.raw(value === 0 ? FALSE : TRUE);
  else json.number(value);
  return true;
}

function kindOf(type: FieldType): FieldPlan['kind'] {
  if (isStringType(type)) return 'text';
  if (type === 'long') return 'count';
  if (type === 'date') return 'time';
  return type === 'boolean' ? 'flag' : 'number';
}

function keyOf(name: string, isText: boolean): Buffer {
  return Buffer.from(`,${JSON.stringify(name)}:${isText ? '"' : ''}`);
}
