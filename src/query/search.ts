import type { Clock } from '../lib/clock.ts';
import { OperatingError } from '../lib/errors.ts';
import type { Clause, SearchFilter } from './search-filter.ts';

/** What a search needs of Elasticsearch. Bodies and answers are its own. */
export interface SearchPort {
  /** Fixes what is there now, so that pages neither miss nor repeat; undefined where there is no index yet. */
  openPointInTime(index: string, keepAlive: string): Promise<string | undefined>;
  search(body: Readonly<Record<string, unknown>>): Promise<readonly SearchHit[]>;
  closePointInTime(id: string): Promise<void>;
}

export interface SearchHit {
  readonly _id?: string | undefined;
  readonly _index: string;
  readonly _source?: unknown;
  readonly sort?: readonly unknown[] | undefined;
  readonly matched_queries?: readonly string[] | Readonly<Record<string, number>> | undefined;
}

export interface SearchOptions {
  readonly index: string;
  /** Whether an index that the pattern means is one that is meant: `tailrace-web-*` is that of `web-api`, too. Default: all are. */
  readonly isIndex?: (name: string) => boolean;
  readonly filter: SearchFilter;
  /** Event time, in milliseconds: from (included), to (not). */
  readonly sinceMs: number;
  readonly untilMs: number;
  /** The latest so many lines. */
  readonly linesMax: number;
}

/** A line that was found: its document with dotted names. */
export interface FoundLine {
  readonly id: string;
  readonly index: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const PAGE_LINES = 1000;
const KEEP_ALIVE = '1m';
/** A phrase is looked for in the text of at most so many candidates: some seconds. */
const CANDIDATES_MAX = 200_000;
const POLL_MS = 1000;
/** A new index answers with an error for a moment; what takes longer is worth a line. */
const AWAY_TOLD_MS = 5000;
/** Lines come into the index up to so much later than others that were read with them: a refresh, a bulk that was tried again. */
const OVERLAP_MS = 120_000;
/** Ids remembered while following, so that the overlap shows no line twice: some 10 MB. With more lines in it, the overlap is shorter. */
const SEEN_MAX = 100_000;

export interface SearchResult {
  /** Oldest first. */
  readonly lines: readonly FoundLine[];
  /** Older candidates were not looked at: there were too many. */
  readonly isCut: boolean;
}

/** The latest lines that are found, in the order of event time. */
export async function search(port: SearchPort, options: SearchOptions): Promise<SearchResult> {
  const { filter, linesMax, sinceMs, untilMs } = options;
  const pit = await port.openPointInTime(options.index, KEEP_ALIVE);
  if (pit === undefined) return { lines: [], isCut: false };
  const range = { gte: isoTime(sinceMs), lt: isoTime(untilMs) };
  const query = queryOf(filter, { range: { '@timestamp': range } });
  const lines: FoundLine[] = [];
  let candidates = 0;
  let after: readonly unknown[] | undefined;
  try {
    for (;;) {
      const hits = await port.search({
        pit: { id: pit, keep_alive: KEEP_ALIVE },
        size: filter.named.length === 0 ? Math.min(PAGE_LINES, linesMax - lines.length) : PAGE_LINES,
        track_total_hits: false,
        sort: [{ '@timestamp': 'desc' }, { 'log.offset': { order: 'desc', missing: '_last' } }],
        query,
        ...(after === undefined ? {} : { search_after: after }),
      });
      candidates += hits.length;
      lines.push(...hits.filter((hit) => isFound(hit, options)).map(lineOf));
      after = hits.at(-1)?.sort;
      if (after === undefined || lines.length >= linesMax) break;
      if (candidates >= CANDIDATES_MAX) return { lines: lines.reverse(), isCut: true };
    }
  } finally {
    await port.closePointInTime(pit);
  }
  return { lines: lines.slice(0, linesMax).reverse(), isCut: false };
}

/** Ids of lines that were there before, with the moment they were read. */
export type SeenLines = Map<string, number>;

type Following = Pick<SearchOptions, 'index' | 'isIndex' | 'filter'>;

/** To be asked before the search whose lines are shown first: what is in the index by then is nothing new. */
export async function linesBefore(port: SearchPort, options: Following, clock: Clock): Promise<SeenLines> {
  const lines = await readSince(port, options, clock.nowMs() - OVERLAP_MS, 'desc');
  return new Map(lines.map((line) => [line.id, createdMs(line)]));
}

/**
 * Every line that comes into the index from now on, in the order in which they were read, as far as they come in it; none twice, and none of
 * `before` and `shown`. Ends when the signal aborts. Goes on when Elasticsearch was away, or an index is just being made: `onAway` is told
 * once, if that takes long.
 */
export async function* follow(
  port: SearchPort,
  options: Following & { readonly before: SeenLines; readonly shown: readonly FoundLine[] },
  parts: { readonly clock: Clock; readonly signal: AbortSignal; readonly onAway?: (error: OperatingError) => void },
): AsyncGenerator<readonly FoundLine[]> {
  const { clock, signal } = parts;
  const patience = new Patience(parts);
  const seen = new Map([...options.before, ...options.shown.map((line) => [line.id, createdMs(line)] as const)]);
  let latestMs = Math.max(clock.nowMs(), ...seen.values());
  while (!signal.aborted) {
    const fromMs = Math.max(latestMs - OVERLAP_MS, oldestOf(seen));
    const read = await patience.ask(() => readSince(port, options, fromMs, 'asc'));
    const lines = read.filter(({ id }) => !seen.has(id));
    for (const line of lines) {
      seen.set(line.id, createdMs(line));
      latestMs = Math.max(latestMs, createdMs(line));
    }
    forget(seen, latestMs - OVERLAP_MS);
    if (lines.length > 0) yield lines;
    else await clock.sleep(POLL_MS, signal);
  }
}

/** Answers nothing while Elasticsearch is away, and says so when it stays away. */
class Patience {
  readonly #parts: { readonly clock: Clock; readonly onAway?: (error: OperatingError) => void };
  #awaySinceMs: number | undefined;
  #isTold = false;

  constructor(parts: { readonly clock: Clock; readonly onAway?: (error: OperatingError) => void }) {
    this.#parts = parts;
  }

  async ask(read: () => Promise<FoundLine[]>): Promise<FoundLine[]> {
    const { clock, onAway } = this.#parts;
    try {
      const lines = await read();
      this.#awaySinceMs = undefined;
      this.#isTold = false;
      return lines;
    } catch (error) {
      if (!(error instanceof OperatingError && error.isRetryable)) throw error;
      this.#awaySinceMs ??= clock.monotonicMs();
      if (!this.#isTold && clock.monotonicMs() - this.#awaySinceMs >= AWAY_TOLD_MS) {
        this.#isTold = true;
        onAway?.(error);
      }
      return [];
    }
  }
}

/** Lines read at or after a moment that are in the index now, the first or the last so many. */
async function readSince(
  port: SearchPort,
  following: Following,
  fromMs: number,
  order: 'asc' | 'desc',
): Promise<FoundLine[]> {
  const pit = await port.openPointInTime(following.index, KEEP_ALIVE);
  if (pit === undefined) return [];
  const query = queryOf(following.filter, { range: { 'event.created': { gte: isoTime(fromMs) } } });
  const lines: FoundLine[] = [];
  let after: readonly unknown[] | undefined;
  try {
    do {
      const hits = await port.search({
        pit: { id: pit, keep_alive: KEEP_ALIVE },
        size: PAGE_LINES,
        track_total_hits: false,
        sort: [{ 'event.created': order }, { 'log.offset': { order, missing: '_last' } }],
        query,
        ...(after === undefined ? {} : { search_after: after }),
      });
      lines.push(...hits.filter((hit) => isFound(hit, following)).map(lineOf));
      after = hits.length < PAGE_LINES ? undefined : hits.at(-1)!.sort;
    } while (after !== undefined && lines.length < SEEN_MAX);
  } finally {
    await port.closePointInTime(pit);
  }
  return lines;
}

function queryOf({ clause, named }: SearchFilter, range: Clause): Clause {
  return {
    bool: { filter: [range, clause], ...(named.length === 0 ? {} : { should: named, minimum_should_match: 0 }) },
  };
}

function isFound(
  { _index: index, matched_queries: matched, _source: source }: SearchHit,
  { isIndex, filter }: Following,
): boolean {
  if (isIndex?.(index) === false) return false;
  const names = Array.isArray(matched) ? (matched as readonly string[]) : Object.keys(matched ?? {});
  return filter.matches(new Set(names), textOf(source));
}

function textOf(source: unknown): string {
  const fields = (source ?? {}) as Readonly<Record<string, unknown>>;
  const text = fields['event.original'] ?? fields['message'];
  return typeof text === 'string' ? text : '';
}

function lineOf({ _id: id, _index: index, _source: source }: SearchHit): FoundLine {
  return { id: id ?? '', index, fields: (source ?? {}) as Readonly<Record<string, unknown>> };
}

function createdMs({ fields }: FoundLine): number {
  const created = fields['event.created'];
  return typeof created === 'string' ? Date.parse(created) || 0 : 0;
}

/** Ids are remembered for the overlap; beyond the bound, the ones that came first go. */
function forget(seen: Map<string, number>, beforeMs: number): void {
  for (const [id, timeMs] of seen) if (timeMs < beforeMs) seen.delete(id);
  let surplus = seen.size - SEEN_MAX;
  for (const id of seen.keys()) {
    if (surplus-- <= 0) break;
    seen.delete(id);
  }
}

/** Where ids had to be forgotten, nothing older than those that are left is asked for again. */
function oldestOf(seen: ReadonlyMap<string, number>): number {
  if (seen.size < SEEN_MAX) return -Infinity;
  let oldest = Infinity;
  for (const timeMs of seen.values()) oldest = Math.min(oldest, timeMs);
  return oldest;
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
