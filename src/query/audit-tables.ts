import type { Fate } from '../epoch/epoch.ts';
import type { LineSum } from '../record/line-id.ts';
import { lineHashSeeds } from '../record/source.ts';

/** Rows of a query, values as JSON has them. */
export type Query = (sql: string) => Promise<readonly (readonly unknown[])[]>;

export interface AuditSource {
  readonly stream: string;
  readonly source: string;
  readonly identity: string;
  readonly path: string;
  readonly state: string;
  readonly origin: number;
  readonly position: number;
  /** Hash of the 64 bytes below `position`; not known of a document sink's sources. */
  readonly tail?: string;
  readonly gapEnd: number | null;
  readonly possibleLossBytes: number;
  readonly possibleDoubleBytes: number;
  /** What the agent counted when it closed the source. */
  readonly agentSum: LineSum | null;
}

export interface AuditAccount {
  readonly stream: string;
  readonly source: string;
  readonly consumer: string;
  readonly fate: Fate;
  readonly reason: string;
  readonly sum: LineSum;
}

export interface AuditRollup {
  readonly name: string;
  readonly stream: string;
  /** Of the pipeline's generation that brought it: 1 is there from the first line. */
  readonly generation: number;
  /** The table whose final rows it reads; null where it reads the lines of its stream. */
  readonly input: string | null;
  /** A line is in several of its rows: `placed` counts lines times windows. */
  readonly isOverlapping: boolean;
  readonly rows: LineSum;
  readonly finalRows: number;
  /** Late lines in `tailrace.late`: how often they are listed, and their sum, each counted once. */
  readonly late: ListedLines;
}

export interface ListedLines {
  readonly entries: number;
  /** Lanes are null where there are too many sources to hash in one query. */
  readonly lines: number;
  readonly a: number | null;
  readonly b: number | null;
}

/** Everything the audit takes from the warehouse, as of one moment. */
export interface AuditTables {
  readonly sources: readonly AuditSource[];
  /** What document sinks know of the sources they read. */
  readonly documentSources: readonly (AuditSource & { readonly sink: string })[];
  readonly ledger: readonly AuditAccount[];
  readonly rollups: readonly AuditRollup[];
  /** By stream; what a store of documents rejected, by stream and reason with a blank between. */
  readonly deadLetters: ReadonlyMap<string, ListedLines>;
  readonly refusals: readonly { readonly reason: string; readonly count: number }[];
  /** Streams whose first epochs this warehouse never saw: the log had been trimmed before it began. */
  readonly streamsBegunLater: ReadonlySet<string>;
  readonly hasHistoryFrom: boolean;
}

/** More sources with late lines or dead letters than this are compared by count only: their hash seeds travel in the query's text. */
const SEEDED_SOURCES_MAX = 1000;
const MASK = 0xffffffff;
/** Epochs of rows, as opposed to those of documents, whose snapshots say everything. */
const ENGINE_TOPIC = /\.epochs\.[^.]+\.[^.]+$/;

/**
 * Reads all tables in ONE statement, so that they are of one transaction of the warehouse however busy it is. Names come first: a rollup that
 * is added in between is missed, and nothing else.
 */
export async function readTables(query: Query, hasDocuments = false): Promise<AuditTables> {
  const rollups = await query(
    `SELECT rollup, stream, generation, definition ->> '$.input', (definition ->> '$.openFrom') IS NOT NULL
      FROM tailrace.rollups WHERE is_current AND is_visible ORDER BY rollup`,
  );
  const sources =
    await query(`SELECT DISTINCT source FROM (SELECT source FROM tailrace.late UNION ALL SELECT source FROM tailrace.dead_letters)
    LIMIT ${SEEDED_SOURCES_MAX + 1}`);
  const names = rollups.map(([name]) => String(name));
  const isSeeded = sources.length <= SEEDED_SOURCES_MAX;
  const found = new Map(
    (await query(snapshotSql(names, isSeeded ? sources.map(([source]) => String(source)) : [], hasDocuments))).map(
      ([kind, json]) => [kind, json],
    ),
  );
  const rowsOf = <T>(kind: string): T[] =>
    (JSON.parse((found.get(kind) as string | null | undefined) ?? '[]') as T[] | null) ?? [];
  const listed = (rows: ListedRow[], name: string): ListedLines => {
    const row = rows.find((candidate) => candidate.name === name);
    if (row === undefined) return { entries: 0, lines: 0, a: 0, b: 0 };
    // A source that came in between has no seeds yet.
    const hasLanes = isSeeded && row.seeded === row.lines;
    return {
      entries: row.entries,
      lines: row.lines,
      a: hasLanes ? Number(row.a) : null,
      b: hasLanes ? Number(row.b) : null,
    };
  };
  const sums = rowsOf<{ name: string; lines: number; a: number; b: number; final_rows: number }>('rows');
  const late = rowsOf<ListedRow>('late');
  const dead = rowsOf<ListedRow>('dead_letters');
  const cursors = rowsOf<{ topic: string; stream: string; first_n: number; history_from: number | null }>('cursors');
  return {
    sources: rowsOf<SourceRow>('sources').map(sourceOf),
    documentSources: rowsOf<SourceRow & { sink: string }>('document_sources').map((row) => ({
      ...sourceOf(row),
      sink: row.sink,
    })),
    ledger: rowsOf<LedgerRow>('ledger').map(({ lines, sum_a: a, sum_b: b, ...account }) => ({
      ...account,
      sum: { lines: Number(lines), a, b },
    })),
    rollups: rollups.map(([name, stream, generation, input, isOverlapping]) => {
      const sum = sums.find((row) => row.name === name);
      const rows = { lines: Number(sum?.lines ?? 0), a: Number(sum?.a ?? 0), b: Number(sum?.b ?? 0) };
      return {
        name: String(name),
        stream: String(stream),
        generation: Number(generation),
        input: typeof input === 'string' ? input : null,
        isOverlapping: isOverlapping === true,
        rows,
        finalRows: Number(sum?.final_rows ?? 0),
        late: listed(late, String(name)),
      };
    }),
    deadLetters: new Map(dead.map((row) => [row.name, listed(dead, row.name)])),
    refusals: rowsOf<{ reason: string; count: number }>('refusals'),
    streamsBegunLater: new Set(
      cursors.filter((cursor) => cursor.first_n > 1 && ENGINE_TOPIC.test(cursor.topic)).map((cursor) => cursor.stream),
    ),
    hasHistoryFrom: cursors.some((cursor) => cursor.history_from !== null),
  };
}

interface ListedRow {
  readonly name: string;
  readonly entries: number;
  readonly lines: number;
  readonly seeded: number;
  readonly a: number | null;
  readonly b: number | null;
}

interface LedgerRow {
  readonly stream: string;
  readonly source: string;
  readonly consumer: string;
  readonly fate: Fate;
  readonly reason: string;
  readonly lines: number;
  readonly sum_a: number;
  readonly sum_b: number;
}

interface SourceRow {
  readonly stream: string;
  readonly source: string;
  readonly identity: string;
  readonly path: string;
  readonly state: string;
  readonly origin: number;
  readonly position: number;
  readonly gap_end: number | null;
  readonly tail?: string;
  readonly possible_loss_bytes: number;
  readonly possible_double_bytes: number;
  readonly agent_lines: number | null;
  readonly agent_sum_a: number;
  readonly agent_sum_b: number;
}

function sourceOf(row: SourceRow): AuditSource {
  const { stream, source, identity, path, state, origin, position } = row;
  const agentSum = row.agent_lines === null ? null : { lines: row.agent_lines, a: row.agent_sum_a, b: row.agent_sum_b };
  return {
    stream,
    source,
    identity,
    path,
    state,
    origin,
    position,
    gapEnd: row.gap_end,
    possibleLossBytes: row.possible_loss_bytes,
    possibleDoubleBytes: row.possible_double_bytes,
    ...(row.tail === undefined ? {} : { tail: row.tail }),
    agentSum,
  };
}

/** A line that the engine lists may be rejected by several stores as well. */
const DEAD_LETTER_GROUP = `CASE WHEN starts_with(reason, 'rejected by ') THEN stream || ' ' || reason ELSE stream END`;

function snapshotSql(rollups: readonly string[], sources: readonly string[], hasDocuments: boolean): string {
  const asJson = (kind: string, from: string): string =>
    `SELECT '${kind}' AS kind, CAST(to_json(list(t)) AS VARCHAR) AS rows FROM (${from}) AS t`;
  const rows = rollups.flatMap((name) =>
    ['open', 'final'].map(
      (part) => `SELECT ${text(name)} AS name, '${part}' AS part, lines, sum_a, sum_b FROM ${table(name, part)}`,
    ),
  );
  const parts = [
    asJson('sources', 'FROM tailrace.sources'),
    asJson('ledger', 'SELECT stream, source, consumer, fate, reason, lines, sum_a, sum_b FROM tailrace.ledger'),
    asJson('refusals', 'SELECT reason, count(*) AS count FROM tailrace.refusals GROUP BY ALL'),
    asJson('cursors', 'SELECT topic, stream, first_n, history_from FROM tailrace.cursors'),
    asJson('late', listedSql('rollup', 'late', 'WHERE is_whole')),
    asJson('dead_letters', listedSql(DEAD_LETTER_GROUP, 'dead_letters')),
  ];
  // A file that no warehouse has opened since there are documents lacks the table.
  if (hasDocuments) parts.push(asJson('document_sources', 'FROM tailrace.document_sources'));
  if (rows.length > 0) {
    const sums = `SELECT name, sum(lines) AS lines, sum(sum_a) % ${MASK + 1} AS a, sum(sum_b) % ${MASK + 1} AS b,
      count(*) FILTER (WHERE part = 'final') AS final_rows`;
    parts.push(asJson('rows', `${sums} FROM (${rows.join(' UNION ALL ')}) GROUP BY name`));
  }
  const seeds = sources.map((source) => `(${text(source)}, ${lineHashSeeds(source).join(', ')})`);
  return `WITH seeds(source, seed_a, seed_b) AS (${seeds.length === 0 ? `SELECT '', 0, 0 WHERE false` : `VALUES ${seeds.join(', ')}`}) ${parts.join(' UNION ALL ')}`;
}

/** Entries, distinct lines and line-id hash sums of a table that lists lines: the formula of record/line-id.ts, written again in SQL. */
function listedSql(group: string, name: string, where = ''): string {
  const mix = (
    lane: string,
  ): string => `xor(${lane}0, ${lane}0 >> 16) AS ${lane}1, (${lane}1 * 2246822507) & ${MASK} AS ${lane}2,
    xor(${lane}2, ${lane}2 >> 13) AS ${lane}3, (${lane}3 * 3266489909) & ${MASK} AS ${lane}4, xor(${lane}4, ${lane}4 >> 16) AS ${lane}`;
  const lines = `SELECT ${group} AS name, source, "offset", count(*) AS times FROM tailrace.${name} ${where} GROUP BY ALL`;
  const hashed = `SELECT l.name, l.times, s.seed_a,
      CAST(l."offset" & ${MASK} AS UBIGINT) AS low, CAST(l."offset" >> 32 AS UBIGINT) AS high,
      xor(xor(low, CAST(s.seed_a AS UBIGINT)), (high * 2654435761) & ${MASK}) AS a0, ${mix('a')},
      (low + CAST(s.seed_b AS UBIGINT) + high * 2246822519) & ${MASK} AS b0, ${mix('b')}
    FROM (${lines}) AS l LEFT JOIN seeds AS s ON s.source = l.source`;
  return `SELECT name, sum(times) AS entries, count(*) AS lines, count(seed_a) AS seeded,
    sum(a) % ${MASK + 1} AS a, sum(b) % ${MASK + 1} AS b FROM (${hashed}) GROUP BY name`;
}

function table(rollup: string, part: string): string {
  return `tailrace."${`${rollup}_${part}`.replaceAll('"', '""')}"`;
}

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
