import { isPartitionPath } from '../record/partition-path.ts';
import { type LineSum, addSum, emptySum, sumsEqual } from '../record/line-id.ts';
import {
  type AuditRollup,
  type AuditSource,
  type AuditTables,
  type ListedLines,
  type Query,
  readTables,
} from './audit-tables.ts';
import { SourceFiles } from './source-files.ts';

/** What became of one rollup's lines. */
export interface AuditedRollup {
  readonly rollup: string;
  readonly stream: string;
  /** Lines of its stream's sources: by the agent's count or by the file, else by the ledger. */
  readonly sent: number;
  readonly rolledUp: number;
  readonly late: number;
  readonly deadLetters: number;
  readonly filtered: number;
  /** What is accounted for in tables: `sent` less what is lost, and more what is doubled. */
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
  /** What is no difference and should be known. */
  readonly notes: readonly string[];
  readonly rollups: readonly AuditedRollup[];
  readonly sources: readonly AuditedSource[];
}

export interface AuditParts {
  readonly query: Query;
  readonly files?: Pick<SourceFiles, 'count'>;
}

/**
 * Adds up three sides that know nothing of each other: the lines of the sources (by the agent's own count, or read again here), the engine's
 * ledger, and the rows and lists in the tables. Counts and line-id hash sums must agree at every joint.
 */
export async function audit({ query, files = new SourceFiles() }: AuditParts): Promise<AuditResult> {
  const tables = await readTables(query);
  const ledger = new LedgerView(tables);
  const differences: string[] = [];
  const counted = new Map<AuditSource, Counted>();
  for (const source of tables.sources) counted.set(source, await countSource(source, files, tables.hasHistoryFrom));
  const rollups = tables.rollups.map((rollup) => auditRollup({ rollup, tables, ledger, counted, differences }));
  for (const source of tables.sources) if (source.gapEnd !== null) differences.push(describeGap(source, source.gapEnd));
  const sources = [...counted].map(([source, count]) => auditedSource(source, count, ledger, tables));
  const streams = [...new Set(rollups.map(({ stream }) => stream))].map((stream) =>
    worstOf(rollups.filter((rollup) => rollup.stream === stream)),
  );
  const total = (of: (rollup: AuditedRollup) => number): number => streams.reduce((sum, rollup) => sum + of(rollup), 0);
  return {
    sent: total(({ sent }) => sent),
    stored: total(({ stored }) => stored),
    lost: total(({ lost }) => lost),
    doubled: total(({ doubled }) => doubled),
    isBalanced: differences.length === 0,
    differences,
    notes: notesOf(tables, sources),
    rollups,
    sources,
  };
}

function describeGap({ source, path, position }: AuditSource, gapEnd: number): string {
  const unit = isPartitionPath(path) ? 'offsets' : 'bytes';
  return `${path}: ${unit} ${position} to ${gapEnd} are missing, and what follows waits for them: tailrace agent resend ${source}`;
}

interface Counted {
  readonly sum: LineSum | undefined;
  readonly by: 'agent' | 'file' | 'ledger';
  readonly sizeBytes: number | undefined;
}

async function countSource(
  source: AuditSource,
  files: Pick<SourceFiles, 'count'>,
  hasHistoryFrom: boolean,
): Promise<Counted> {
  // A pipeline that began on a trimmed log took sources over in their middle: the agent's sum then speaks of more.
  if (source.agentSum !== null && !hasHistoryFrom) return { sum: source.agentSum, by: 'agent', sizeBytes: undefined };
  // What lies in a gap was sent as well: the ledger that lacks it is short of these lines.
  const file = await files.count({ ...source, position: source.gapEnd ?? source.position });
  return { sum: file?.sum, by: file === undefined ? 'ledger' : 'file', sizeBytes: file?.sizeBytes };
}

/** The ledger by stream, consumer and source. */
class LedgerView {
  readonly #tables: AuditTables;

  constructor(tables: AuditTables) {
    this.#tables = tables;
  }

  /** Sources that a consumer has accounts of; also `<agent>/0`, which holds what its forgotten sources had. */
  sourcesOf(stream: string, consumer: string): string[] {
    const accounts = this.#tables.ledger.filter(
      (account) => account.stream === stream && account.consumer === consumer,
    );
    return [...new Set(accounts.map((account) => account.source))];
  }

  sum(stream: string, consumer: string, fates: readonly string[], source?: string): LineSum {
    const sum = emptySum();
    for (const account of this.#tables.ledger) {
      if (account.stream !== stream || account.consumer !== consumer || !fates.includes(account.fate)) continue;
      if (source === undefined || account.source === source) addSum(sum, account.sum);
    }
    return sum;
  }
}

interface RollupAudit {
  readonly rollup: AuditRollup;
  readonly tables: AuditTables;
  readonly ledger: LedgerView;
  readonly counted: ReadonlyMap<AuditSource, Counted>;
  readonly differences: string[];
}

const OUT_FATES = ['rolled_up', 'filtered', 'late', 'dead_letter'];

function auditRollup(audited: RollupAudit): AuditedRollup {
  const { rollup, tables, ledger } = audited;
  const { name, stream } = rollup;
  const joints = new Joints(name, audited.differences);
  const sent = compareSources(audited, joints);
  const ledgerOf = (fate: string): LineSum => ledger.sum(stream, name, [fate]);
  // A warehouse that began with a snapshot has rows and lists from there on only: less than the ledger is then no loss.
  const mayHaveLess = tables.streamsBegunLater.has(stream);
  joints.compare('the ledger has rolled up', ledgerOf('rolled_up'), 'its rows hold', rollup.rows, mayHaveLess);
  compareListed(joints, 'late lines', ledgerOf('late'), rollup.late, mayHaveLess);
  // Dead letters are listed once for all rollups: one that came later does not answer for those before it.
  if (rollup.generation === 1) {
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
    sent,
    rolledUp: rollup.rows.lines,
    late: ledgerOf('late').lines,
    deadLetters: ledgerOf('dead_letter').lines,
    filtered: ledgerOf('filtered').lines,
    stored: sent - lost + doubled,
    lost,
    doubled,
  };
}

const NOTHING: ListedLines = { entries: 0, lines: 0, a: 0, b: 0 };

/** Each source against the ledger, and the ledger's way in against its ways out. Returns the lines sent. */
function compareSources({ rollup, ledger, counted }: RollupAudit, joints: Joints): number {
  const { name, stream, generation } = rollup;
  let sent = 0;
  const known = new Map(
    [...counted]
      .filter(([source]) => source.stream === stream)
      .map(([source, count]) => [source.source, { source, count }]),
  );
  for (const id of new Set([...ledger.sourcesOf(stream, name), ...known.keys()])) {
    const lines = ledger.sum(stream, name, ['in'], id);
    const found = known.get(id);
    const sum = generation === 1 ? found?.count.sum : undefined;
    sent += sum?.lines ?? lines.lines;
    if (sum !== undefined) joints.compare(`${found!.source.path} (${id}) has`, sum, 'the ledger took in', lines, false);
    joints.compare(
      `of ${id} the ledger took in`,
      lines,
      'and gave a fate to',
      ledger.sum(stream, name, OUT_FATES, id),
      false,
    );
  }
  return sent;
}

function compareListed(joints: Joints, what: string, ledger: LineSum, listed: ListedLines, mayHaveLess: boolean): void {
  const sum = { lines: listed.lines, a: listed.a ?? ledger.a, b: listed.b ?? ledger.b };
  joints.compare(`the ledger has ${what}`, ledger, 'their table lists', sum, mayHaveLess);
  joints.doubledEntries(what, listed.entries - listed.lines);
}

/** The places where two sides meet, of one rollup. */
class Joints {
  readonly #rollup: string;
  readonly #differences: string[];
  lost = 0;
  doubled = 0;

  constructor(rollup: string, differences: string[]) {
    this.#rollup = rollup;
    this.#differences = differences;
  }

  /** `from` must arrive whole at `to`. */
  compare(fromText: string, from: LineSum, toText: string, to: LineSum, mayHaveLess: boolean): void {
    if (sumsEqual(from, to)) return;
    const missing = from.lines - to.lines;
    if (mayHaveLess && missing > 0) return;
    if (missing === 0) {
      // As many, but not the same: at least one is missing and at least one is there that should not be.
      this.lost += 1;
      this.doubled += 1;
      this.#differences.push(`${this.#rollup}: ${fromText} ${from.lines} lines, ${toText} as many, but other lines`);
      return;
    }
    this.lost += Math.max(0, missing);
    this.doubled += Math.max(0, -missing);
    this.#differences.push(
      `${this.#rollup}: ${fromText} ${from.lines} lines, ${toText} ${to.lines}: ${Math.abs(missing)} ${missing > 0 ? 'lost' : 'doubled'}`,
    );
  }

  doubledEntries(what: string, extra: number): void {
    if (extra === 0) return;
    this.doubled += extra;
    this.#differences.push(`${this.#rollup}: ${extra} of the ${what} are listed twice`);
  }
}

/** The rollup a stream is judged by: the one that misses most, and of equals the one that saw most, since one that came later saw less. */
function worstOf(rollups: readonly AuditedRollup[]): AuditedRollup {
  const badness = ({ lost, doubled }: AuditedRollup): number => lost + doubled;
  return rollups.reduce((worst, rollup) =>
    (badness(rollup) - badness(worst) || rollup.sent - worst.sent) > 0 ? rollup : worst,
  );
}

function auditedSource(source: AuditSource, count: Counted, ledger: LedgerView, tables: AuditTables): AuditedSource {
  const rollup = tables.rollups.find(({ stream, generation }) => stream === source.stream && generation === 1);
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
