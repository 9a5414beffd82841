import { EXIT, OperatingError, describeError } from '../lib/errors.ts';
import { isPartitionPath } from '../record/partition-path.ts';
import type { LineSum } from '../record/line-id.ts';
import { type AuditedDocuments, type DocumentStore, auditDocuments, isSameLedger } from './audit-documents.ts';
import { compareRows } from './audit-rows.ts';
import { type ReadTwice, findReadTwice } from './audit-copies.ts';
import { type Counted, Joints, LedgerView, compareListed, compareSources, countSource } from './audit-joints.ts';
import {
  type AuditRollup,
  type AuditSource,
  type AuditTables,
  type ListedLines,
  type Query,
  readTables,
} from './audit-tables.ts';
import { SourceFiles } from './source-files.ts';

/** What became of one rollup's lines, or of the rows of the table that it reads. */
export interface AuditedRollup {
  readonly rollup: string;
  readonly stream: string;
  /** The table whose final rows are its lines; null where it reads its stream. */
  readonly input: string | null;
  /** Lines of its stream's sources: by the agent's count or by the file, else by the ledger. Of a table: its final rows. */
  readonly sent: number;
  readonly rolledUp: number;
  readonly late: number;
  readonly deadLetters: number;
  readonly filtered: number;
  /**
   * What is accounted for in tables: `sent` less what is lost, and more what is doubled. Where windows overlap, those count placements, of which
   * a line has several: then it is an estimate, and not below 0.
   */
  readonly stored: number;
  readonly lost: number;
  readonly doubled: number;
}

export interface AuditedSource {
  readonly source: string;
  readonly path: string;
  readonly state: string;
  readonly sent: number;
  /** Who counted: the agent when it closed the source, the file read again now, or nobody any more but the ledger. */
  readonly countedBy: 'agent' | 'file' | 'ledger';
  /** In the file and not decided yet: lag, no loss. */
  readonly pendingBytes: number;
  /** Missing between what was read and what came next: the source is stopped there. */
  readonly gapBytes: number;
  /** The agent says so many bytes may have been missed (a file truncated before it was read). */
  readonly possibleLossBytes: number;
  /** The agent says so many bytes may have been read before, as another source. */
  readonly possibleDoubleBytes: number;
  readonly declaredLossBytes: number;
}

export interface AuditResult {
  readonly sent: number;
  readonly stored: number;
  readonly lost: number;
  readonly doubled: number;
  readonly isBalanced: boolean;
  /** One line each: which two sides differ, and by what. */
  readonly differences: readonly string[];
  /** Not a difference, but worth knowing. */
  readonly notes: readonly string[];
  readonly rollups: readonly AuditedRollup[];
  /** By sink and stream. */
  readonly documents: readonly AuditedDocuments[];
  /** Stores that did not answer: nothing is said of their documents. `exitCode` is what the error would end a command with. */
  readonly unanswered: readonly { readonly sink: string; readonly reason: string; readonly exitCode: number }[];
  readonly sources: readonly AuditedSource[];
}

export interface AuditParts {
  readonly query: Query;
  readonly files?: Pick<SourceFiles, 'count' | 'keyOf'>;
  /** Stores of documents that can be asked. */
  readonly stores?: readonly DocumentStore[];
  /** Waits until a sink must have accounted for what is in its store now. None: nothing is running that could. */
  readonly lookAgain?: () => Promise<void>;
}

/** While documents come in, the ledger and the store may speak of two moments: so often both are read again. */
const TRIES_MAX = 3;

/**
 * Adds up three sides that know nothing of each other: the lines of the sources (by the agent's own count, or read again here), the engine's
 * ledger, and the rows and lists in the tables. Counts and line-id hash sums must agree at every joint.
 */
export async function audit({
  query,
  files = new SourceFiles(),
  stores = [],
  lookAgain,
}: AuditParts): Promise<AuditResult> {
  const hasDocuments = stores.length > 0;
  let tables = await readTables(query, hasDocuments);
  for (let tries = 1; ; tries++) {
    const result = await auditTables(tables, files, stores);
    if (result.isBalanced || !hasDocuments || tries === TRIES_MAX) return result;
    // A document that nothing accounts for may be a second one, or one whose epoch is still to come: time tells them apart.
    const isWorthWaiting = tries === 1 && result.documents.some(({ doubled }) => doubled > 0);
    if (isWorthWaiting) await lookAgain?.();
    const before = tables;
    tables = await readTables(query, hasDocuments);
    if (isSameLedger(before, tables)) return result;
  }
}

async function auditTables(
  tables: AuditTables,
  files: Pick<SourceFiles, 'count' | 'keyOf'>,
  stores: readonly DocumentStore[],
): Promise<AuditResult> {
  const ledger = new LedgerView(tables);
  const differences: string[] = [];
  const counted = new Map<AuditSource, Counted>();
  for (const source of tables.sources) counted.set(source, await countSource(source, files, tables.hasHistoryFrom));
  const twice = new Map<string, ReadTwice>();
  for (const [stream, sources] of Map.groupBy(tables.sources, ({ stream }) => stream))
    twice.set(stream, await findReadTwice(sources, files));
  const rollups = tables.rollups.map((rollup) => auditRollup({ rollup, tables, ledger, counted, twice, differences }));
  for (const source of tables.sources) if (source.gapEnd !== null) differences.push(describeGap(source, source.gapEnd));
  const sources = [...counted].map(([source, count]) => auditedSource(source, count, ledger, tables));
  const documents: AuditedDocuments[] = [];
  const notes: string[] = [];
  const unanswered: AuditResult['unanswered'][number][] = [];
  for (const store of stores) {
    try {
      for (const stream of store.streams)
        documents.push(await auditDocuments({ tables, files, store, stream, differences, notes }));
    } catch (error) {
      // Lines, ledger and tables have been compared all the same, and that is worth knowing.
      if (!(error instanceof OperatingError)) throw error;
      unanswered.push({ sink: store.sink, reason: describeError(error), exitCode: error.exitCode });
      notes.push(`the documents of ${store.sink} were not counted: ${describeError(error)}`);
    }
  }
  const [ofTables, ofLines] = [
    rollups.filter(({ input }) => input !== null),
    rollups.filter(({ input }) => input === null),
  ];
  const consumers = [...ofLines, ...documents];
  const streams = [...new Set(consumers.map(({ stream }) => stream))].map((stream) =>
    worstOf(consumers.filter((consumer) => consumer.stream === stream)),
  );
  const total = (of: (consumer: AuditedConsumer) => number): number =>
    streams.reduce((sum, consumer) => sum + of(consumer), 0);
  return {
    sent: total(({ sent }) => sent),
    stored: total(({ stored }) => stored),
    // Rows of tables are not lines that were sent, but none may be missing.
    lost: ofTables.reduce(
      (sum, { lost }) => sum + lost,
      total(({ lost }) => lost),
    ),
    doubled: ofTables.reduce(
      (sum, { doubled }) => sum + doubled,
      total(({ doubled }) => doubled),
    ),
    isBalanced: differences.length === 0,
    differences,
    notes: [...notesOf(tables, sources), ...[...twice.values()].flatMap((of) => of.notes), ...notes],
    rollups,
    documents,
    unanswered,
    sources,
  };
}

function describeGap({ source, path, position }: AuditSource, gapEnd: number): string {
  const unit = isPartitionPath(path) ? 'offsets' : 'bytes';
  return `${path}: ${unit} ${position} to ${gapEnd} are missing, and what follows waits for them: tailrace agent resend ${source}`;
}

interface RollupAudit {
  readonly rollup: AuditRollup;
  readonly tables: AuditTables;
  readonly ledger: LedgerView;
  readonly counted: ReadonlyMap<AuditSource, Counted>;
  readonly twice: ReadonlyMap<string, ReadTwice>;
  readonly differences: string[];
}

function auditRollup(audited: RollupAudit): AuditedRollup {
  const { rollup, tables, ledger } = audited;
  const { name, stream } = rollup;
  const joints = new Joints(name, audited.differences);
  const sent = rollup.input === null ? compareLines(audited, joints) : compareRows(audited, rollup.input, joints);
  const ledgerOf = (fate: string): LineSum => ledger.sum(stream, name, [fate]);
  // A warehouse that began with a snapshot has rows and lists from there on only: less than the ledger is then no loss.
  const mayHaveLess = tables.streamsBegunLater.has(stream);
  const [has, unit] = rollup.isOverlapping
    ? ['the ledger has', 'placements (lines times windows)']
    : ['the ledger has placed', 'lines'];
  joints.compare(has!, ledgerOf('placed'), 'its rows hold', rollup.rows, mayHaveLess, unit);
  compareListed(joints, 'late lines', ledgerOf('late'), rollup.late, mayHaveLess);
  // Dead letters are listed once for all rollups: one that came later does not answer for those before it.
  if (rollup.generation === 1 && rollup.input === null) {
    compareListed(
      joints,
      'dead letters',
      ledgerOf('dead_letter'),
      tables.deadLetters.get(stream) ?? NOTHING,
      mayHaveLess,
    );
  }
  const { lost, doubled } = joints;
  return {
    rollup: name,
    stream,
    input: rollup.input,
    sent,
    rolledUp: ledgerOf('rolled_up').lines,
    late: ledgerOf('late').lines,
    deadLetters: ledgerOf('dead_letter').lines,
    filtered: ledgerOf('filtered').lines,
    stored: Math.max(0, sent - lost + doubled),
    lost,
    doubled,
  };
}

/** The lines of its sources, each once. */
function compareLines(audited: RollupAudit, joints: Joints): number {
  const { rollup } = audited;
  const counted = compareSources(rollup, audited, joints);
  const twice = audited.twice.get(rollup.stream);
  if (twice !== undefined) joints.readTwice(twice);
  return counted - (twice?.lines ?? 0);
}

const NOTHING: ListedLines = { entries: 0, lines: 0, a: 0, b: 0 };

/** What rollups and documents have in common. */
type AuditedConsumer = Pick<AuditedRollup, 'stream' | 'sent' | 'stored' | 'lost' | 'doubled'>;

/** The consumer a stream is judged by: the one that misses most, and of equals the one that saw most, since one that came later saw less. */
function worstOf(consumers: readonly AuditedConsumer[]): AuditedConsumer {
  const badness = ({ lost, doubled }: AuditedConsumer): number => lost + doubled;
  return consumers.reduce((worst, consumer) =>
    (badness(consumer) - badness(worst) || consumer.sent - worst.sent) > 0 ? consumer : worst,
  );
}

function auditedSource(source: AuditSource, count: Counted, ledger: LedgerView, tables: AuditTables): AuditedSource {
  const rollup = tables.rollups.find(
    ({ stream, generation, input }) => stream === source.stream && generation === 1 && input === null,
  );
  const sum = (fate: string): number =>
    rollup === undefined ? 0 : ledger.sum(source.stream, rollup.name, [fate], source.source).lines;
  return {
    source: source.source,
    path: source.path,
    state: source.state,
    sent: count.sum?.lines ?? sum('in'),
    countedBy: count.by,
    pendingBytes: Math.max(0, (count.sizeBytes ?? source.position) - source.position),
    gapBytes: source.gapEnd === null ? 0 : source.gapEnd - source.position,
    possibleLossBytes: source.possibleLossBytes,
    possibleDoubleBytes: source.possibleDoubleBytes,
    // Its size in bytes stands in place of the lines nobody can count.
    declaredLossBytes: sum('declared_loss'),
  };
}

function notesOf(tables: AuditTables, sources: readonly AuditedSource[]): string[] {
  const total = (of: (source: AuditedSource) => number): number => sources.reduce((sum, source) => sum + of(source), 0);
  const unchecked = sources.filter((source) => source.countedBy === 'ledger' && source.sent > 0);
  const [ofTopics, ofFiles] = [
    sources.filter(({ path }) => isPartitionPath(path)),
    sources.filter(({ path }) => !isPartitionPath(path)),
  ];
  const loss = (some: readonly AuditedSource[]): number =>
    some.reduce((sum, { possibleLossBytes }) => sum + possibleLossBytes, 0);
  const open = unchecked.filter(({ path }) => isPartitionPath(path)).length;
  const notes: [number, string][] = [
    [
      unchecked.length - open,
      `sources whose file is gone and that were not closed: their lines are counted by the ledger only`,
    ],
    [open, 'partitions of topics that are still open: their lines are counted by the ledger only'],
    [total((source) => source.pendingBytes), 'bytes in files that are not decided yet (lag)'],
    [loss(ofFiles), 'bytes that may have been missed before a truncation'],
    [
      total((source) => source.possibleDoubleBytes),
      'bytes that may have been read twice: files that began as others had (select path, possible_double_bytes from tailrace.sources)',
    ],
    [loss(ofTopics), 'records of topics that were gone, or damaged, before they were read'],
    [total((source) => source.declaredLossBytes), 'bytes declared lost'],
    ...tables.refusals.map(({ reason, count }): [number, string] => [count, `messages refused: ${reason}`]),
  ];
  const begun = [...tables.streamsBegunLater].map(
    (stream) => `${stream}: this warehouse began with a snapshot, what was final before is not in it`,
  );
  return [
    ...notes.filter(([count]) => count > 0).map(([count, what]) => `${count.toLocaleString('en')} ${what}`),
    ...begun,
  ];
}

/** What a command ends with: data found bad before a store that did not answer. */
export function auditExitCode({ isBalanced, unanswered }: AuditResult): number {
  return isBalanced ? (unanswered[0]?.exitCode ?? 0) : EXIT.badData;
}
