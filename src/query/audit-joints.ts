import { type LineSum, addSum, emptySum, sumsEqual } from '../record/line-id.ts';
import type { AuditSource, AuditTables, ListedLines } from './audit-tables.ts';
import type { ReadTwice } from './audit-copies.ts';
import type { SourceFiles } from './source-files.ts';

/** How many lines a source has, and who says so. */
export interface Counted {
  readonly sum: LineSum | undefined;
  readonly by: 'agent' | 'file' | 'ledger';
  readonly sizeBytes: number | undefined;
}

export async function countSource(
  source: AuditSource,
  files: Pick<SourceFiles, 'count'>,
  hasHistoryFrom: boolean,
): Promise<Counted> {
  // A pipeline that began on a trimmed log took sources over in their middle: the agent's sum then speaks of more.
  if (source.agentSum !== null && !hasHistoryFrom) return { sum: source.agentSum, by: 'agent', sizeBytes: undefined };
  // What lies in a gap was sent as well: the ledger that lacks it is short of these lines.
  const { gapEnd, tail: _, ...range } = source;
  const file = await files.count(gapEnd === null ? source : { ...range, position: gapEnd });
  return { sum: file?.sum, by: file === undefined ? 'ledger' : 'file', sizeBytes: file?.sizeBytes };
}

/** The ledger by stream, consumer and source. */
export class LedgerView {
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

  /** The reasons that accounts of a fate have: for documents, the indices they are in. */
  byReason(stream: string, consumer: string, fate: string): Map<string, LineSum> {
    const sums = new Map<string, LineSum>();
    for (const account of this.#tables.ledger) {
      if (account.stream !== stream || account.consumer !== consumer || account.fate !== fate) continue;
      const sum = sums.get(account.reason) ?? emptySum();
      addSum(sum, account.sum);
      sums.set(account.reason, sum);
    }
    return sums;
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

export const OUT_FATES = ['rolled_up', 'indexed', 'filtered', 'late', 'dead_letter'];

/** Each source against the ledger, and the ledger's way in against its ways out. Returns the lines sent. */
export function compareSources(
  { name, stream, generation }: { readonly name: string; readonly stream: string; readonly generation: number },
  { ledger, counted }: { readonly ledger: LedgerView; readonly counted: ReadonlyMap<AuditSource, Counted> },
  joints: Joints,
): number {
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

export function compareListed(
  joints: Joints,
  what: string,
  ledger: LineSum,
  listed: ListedLines,
  mayHaveLess: boolean,
): void {
  const sum = { lines: listed.lines, a: listed.a ?? ledger.a, b: listed.b ?? ledger.b };
  joints.compare(`the ledger has ${what}`, ledger, 'their table lists', sum, mayHaveLess);
  joints.doubledEntries(what, listed.entries - listed.lines);
}

/** The places where two sides meet, of one rollup. */
export class Joints {
  readonly #rollup: string;
  readonly #differences: string[];
  lost = 0;
  doubled = 0;

  constructor(rollup: string, differences: string[]) {
    this.#rollup = rollup;
    this.#differences = differences;
  }

  /** `from` must arrive whole at `to`. */
  compare(fromText: string, from: LineSum, toText: string, to: LineSum, mayHaveLess: boolean, unit = 'lines'): void {
    if (sumsEqual(from, to)) return;
    const missing = from.lines - to.lines;
    if (mayHaveLess && missing > 0) return;
    if (missing === 0) {
      // As many, but not the same: at least one is missing and at least one is there that should not be.
      this.lost += 1;
      this.doubled += 1;
      this.#differences.push(`${this.#rollup}: ${fromText} ${from.lines} ${unit}, ${toText} as many, but other lines`);
      return;
    }
    this.lost += Math.max(0, missing);
    this.doubled += Math.max(0, -missing);
    this.#differences.push(
      `${this.#rollup}: ${fromText} ${from.lines} ${unit}, ${toText} ${to.lines}: ${Math.abs(missing)} ${missing > 0 ? 'lost' : 'doubled'}`,
    );
  }

  /** Lines that were sent once too often, and are in the tables as often. */
  readTwice({ lines, differences }: ReadTwice): void {
    this.doubled += lines;
    for (const difference of differences) this.#differences.push(`${this.#rollup}: ${difference}`);
  }

  doubledEntries(what: string, extra: number): void {
    if (extra === 0) return;
    this.doubled += extra;
    this.#differences.push(`${this.#rollup}: ${extra} of the ${what} are listed twice`);
  }
}
