import { type LineSum, sumsEqual } from '../record/line-id.ts';
import { type Counted, Joints, LedgerView, compareListed, compareSources, countSource } from './audit-joints.ts';
import type { AuditSource, AuditTables } from './audit-tables.ts';
import type { SourceFiles } from './source-files.ts';

/** A sink's store of documents, as the audit asks it. */
export interface DocumentStore {
  readonly sink: string;
  readonly streams: readonly string[];
  /** How many documents each index of a stream holds now, with the sums of their line-id hashes. */
  sums(stream: string): Promise<ReadonlyMap<string, LineSum>>;
  /** Whether an index is so old that it was deleted on purpose. */
  isExpired(index: string, stream: string): boolean;
}

/** What became of the lines of one stream in one store. */
export interface AuditedDocuments {
  readonly sink: string;
  readonly stream: string;
  readonly sent: number;
  /** Documents in the store. */
  readonly indexed: number;
  readonly deadLetters: number;
  readonly filtered: number;
  /** Of documents in indices that were deleted as too old. */
  readonly expired: number;
  readonly stored: number;
  readonly lost: number;
  readonly doubled: number;
}

export interface DocumentAudit {
  readonly tables: AuditTables;
  readonly files: Pick<SourceFiles, 'count'>;
  readonly store: DocumentStore;
  readonly stream: string;
  readonly differences: string[];
  readonly notes: string[];
}

/** Each source against the ledger of the sink, the ledger's ways out against its way in, and each index against what the ledger says it has. */
export async function auditDocuments(audit: DocumentAudit): Promise<AuditedDocuments> {
  const { tables, files, store, stream, differences, notes } = audit;
  const name = `documents.${store.sink}`;
  const ledger = new LedgerView(tables);
  const joints = new Joints(`${store.sink}: documents of ${stream}`, differences);
  const counted = new Map<AuditSource, Counted>();
  const sources = tables.documentSources.filter((source) => source.sink === store.sink && source.stream === stream);
  for (const source of sources) counted.set(source, await countSource(source, files, tables.hasHistoryFrom));
  const sent = compareSources({ name, stream, generation: 1 }, { ledger, counted }, joints);
  const rejected = ledger.byReason(stream, name, 'dead_letter').get('rejected');
  const listed = tables.deadLetters.get(`${stream} rejected by ${store.sink}`) ?? { entries: 0, lines: 0, a: 0, b: 0 };
  compareListed(joints, 'rejected documents', rejected ?? { lines: 0, a: 0, b: 0 }, listed, true);
  const { indexed, expired, ahead } = await compareIndices(audit, ledger, joints, counted);
  if (ahead > 0)
    notes.push(`${ahead.toLocaleString('en')} documents of ${stream} are in ${store.sink} before its ledger says so`);
  const { lost, doubled } = joints;
  return {
    sink: store.sink,
    stream,
    sent,
    indexed,
    deadLetters: ledger.sum(stream, name, ['dead_letter']).lines,
    filtered: ledger.sum(stream, name, ['filtered']).lines,
    expired,
    stored: sent - lost + doubled,
    lost,
    doubled,
  };
}

async function compareIndices(
  { tables, store, stream }: DocumentAudit,
  ledger: LedgerView,
  joints: Joints,
  counted: ReadonlyMap<AuditSource, Counted>,
): Promise<{ readonly indexed: number; readonly expired: number; readonly ahead: number }> {
  const stated = ledger.byReason(stream, `documents.${store.sink}`, 'indexed');
  const found = await store.sums(stream);
  let aheadMax = isBehindEngine(tables, stream, [...counted.keys()]) ? Infinity : pendingBytes(counted);
  let indexed = 0;
  let expired = 0;
  let ahead = 0;
  for (const index of [...new Set([...stated.keys(), ...found.keys()])].toSorted()) {
    const said = stated.get(index) ?? { lines: 0, a: 0, b: 0 };
    const has = found.get(index);
    const holds = has ?? { lines: 0, a: 0, b: 0 };
    indexed += holds.lines;
    // A late line makes an index again that was deleted: it holds that line, and the ledger knows of all that were ever there.
    if (holds.lines < said.lines && store.isExpired(index, stream)) {
      expired += said.lines - holds.lines;
      continue;
    }
    // Documents come before the epoch that accounts for them: while there are lines to come, more are there than it says.
    const more = holds.lines - said.lines;
    if (more > 0 && more <= aheadMax) {
      ahead += more;
      aheadMax -= more;
    } else joints.compare(`for ${index} the ledger has`, said, 'it holds', holds, false);
  }
  return { indexed, expired, ahead };
}

/** Bytes of files that the sink does not account for: it may have sent that many lines, at the most, before it or the engine was stopped. */
function pendingBytes(counted: ReadonlyMap<AuditSource, Counted>): number {
  return [...counted].reduce((sum, [{ position }, { sizeBytes = 0 }]) => sum + Math.max(0, sizeBytes - position), 0);
}

/** Whether the engine has read more of some source than the sink accounts for. */
function isBehindEngine(tables: AuditTables, stream: string, sources: readonly AuditSource[]): boolean {
  const positions = new Map(sources.map(({ source, position }) => [source, position]));
  return tables.sources.some(
    (source) => source.stream === stream && source.position > (positions.get(source.source) ?? source.origin),
  );
}

/** Whether what two readings of the tables say of a sink's documents is the same: then what lies between them is, too. */
export function isSameLedger(left: AuditTables, right: AuditTables): boolean {
  const sumsOf = ({ ledger }: AuditTables): Map<string, LineSum> =>
    new Map(
      ledger
        .filter(({ consumer }) => consumer.startsWith('documents.'))
        .map((entry) => [[entry.stream, entry.source, entry.consumer, entry.fate, entry.reason].join('\n'), entry.sum]),
    );
  const before = sumsOf(left);
  const after = sumsOf(right);
  return before.size === after.size && [...before].every(([key, sum]) => sumsEqual(sum, after.get(key) ?? NONE));
}

const NONE: LineSum = { lines: -1, a: 0, b: 0 };
