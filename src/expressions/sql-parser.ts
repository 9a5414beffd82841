import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { patternsIn } from './patterns.ts';
import type { SqlNode } from './sql-node.ts';
import { type QuotedText, quoteFieldNames } from './field-names.ts';
import { cutText } from '../lib/text.ts';
import type { ExpressionProblem } from './problem.ts';

/** An expression as DuckDB reads it. */
export interface ParsedSql {
  readonly text: string;
  readonly root: SqlNode;
  /** Where a node stands in `text`, in UTF-16 units; undefined where DuckDB does not say. */
  placeOf(node: SqlNode): number | undefined;
}

export type ParseResult = { readonly parsed: ParsedSql } | { readonly problem: ExpressionProblem };

/** Longer ones are programs. */
export const EXPRESSION_CHARACTERS_MAX = 10_000;

/** What stands around an expression, so that only an expression can stand there. */
const BEFORE = 'SELECT (';
const AFTER = '\n)';

/**
 * Reads the texts of a configuration, each once. Whoever needs one that has not been read yet gets nothing and asks again behind `read`: reading is
 * asynchronous, and the rest of a configuration is not.
 */
export class SqlParser {
  readonly #results = new Map<string, ParseResult>();
  readonly #wanted = new Set<string>();

  /** Undefined until `read` was called. */
  get(text: string): ParseResult | undefined {
    const result = this.#results.get(text);
    if (result === undefined) this.#wanted.add(text);
    return result;
  }

  /** Reads what was asked for since; false if that was nothing. */
  async read(): Promise<boolean> {
    if (this.#wanted.size === 0) return false;
    const instance = await DuckDBInstance.create(':memory:');
    try {
      const connection = await instance.connect();
      try {
        for (const text of this.#wanted) {
          const quoted = quoteFieldNames(text);
          const sql = `${BEFORE}${quoted.text}${AFTER}`;
          const answer = await connection.runAndReadAll('SELECT json_serialize_sql($1::VARCHAR)', [sql]);
          const result = resultOf(text, sql, quoted, String(answer.getRows()[0]![0]));
          this.#results.set(text, (await tooLargePattern(result, connection)) ?? result);
        }
      } finally {
        connection.closeSync();
      }
    } finally {
      instance.closeSync();
    }
    this.#wanted.clear();
    return true;
  }
}

/** A pattern that is right, and larger than DuckDB takes: its views would end the warehouse. What is wrong with others is said elsewhere. */
async function tooLargePattern(result: ParseResult, connection: DuckDBConnection): Promise<ParseResult | undefined> {
  if ('problem' in result) return undefined;
  const { parsed } = result;
  for (const { node, pattern } of patternsIn(parsed.root)) {
    try {
      await connection.runAndReadAll("SELECT regexp_matches('', $1::VARCHAR)", [pattern]);
    } catch (error) {
      if (!String(error).includes('too large')) continue;
      const start = parsed.placeOf(node) ?? 0;
      const message = 'this regular expression is larger than DuckDB takes';
      return { problem: { message, hint: 'repeat less, or write several', start, end: start + pattern.length + 2 } };
    }
  }
  return undefined;
}

/** What `json_serialize_sql` answers. */
interface Serialized {
  readonly error: boolean;
  readonly error_type?: string;
  readonly error_message?: string;
  readonly position?: string;
  readonly statements?: readonly { readonly node: SelectNode }[];
}

/** A SELECT has a `select_list`; UNION and the like have none. */
interface SelectNode {
  readonly select_list?: readonly SqlNode[];
  readonly [clause: string]: unknown;
}

function resultOf(text: string, sql: string, quoted: QuotedText, json: string): ParseResult {
  /** Of a place in bytes of the whole SQL. */
  const placeAt = (bytes: number): number => {
    const place = Buffer.from(sql).subarray(0, bytes).toString().length - BEFORE.length;
    return Math.min(text.length, Math.max(0, quoted.originOf(Math.max(0, place))));
  };
  const answer = parseAnswer(json);
  if (answer.error) return refused(text, answer, placeAt);
  const [statement, ...others] = answer.statements ?? [];
  const root = statement?.node.select_list?.[0];
  if (root === undefined || others.length > 0 || !isOnlyExpression(statement!.node)) return problem(text, NOT_ONE);
  return {
    parsed: {
      text,
      root,
      placeOf({ query_location: location }) {
        return typeof location === 'number' && location < sql.length * 4 ? placeAt(location) : undefined;
      },
    },
  };
}

function refused(
  text: string,
  { error_type: type, error_message: said = '', position }: Serialized,
  placeAt: (bytes: number) => number,
): ParseResult {
  if (position === undefined) return problem(text, type === 'parser' ? saidPlainly(said) : NOT_ONE);
  const place = placeAt(Number(position));
  // DuckDB reports the end at the bracket behind the text.
  const isEnd = place >= text.trimEnd().length;
  const message = isEnd ? 'the expression ends too early' : said.replace(/ at or near .*$/s, '');
  const word = /^[A-Za-z_]\w*/.exec(text.slice(place))?.[0];
  const hint =
    word === undefined ? undefined : `if ${cutText(word)} is a field, write "${cutText(word)}" in double quotes`;
  return {
    problem: {
      message,
      ...(hint === undefined ? {} : { hint }),
      start: place,
      end: place + Math.max(1, word?.length ?? 1),
    },
  };
}

const NOT_ONE = 'this is not one expression';

/** The first line of what DuckDB says, as a message of ours. */
function saidPlainly(said: string): string {
  if (said.startsWith('Max expression depth')) return 'the expression is too deep';
  const [, first, rest] = /^([A-Z])([a-z].*?)\.?$/m.exec(said) ?? [];
  return first === undefined ? NOT_ONE : `${first.toLowerCase()}${rest}`;
}

function problem(text: string, message: string): ParseResult {
  return { problem: { message, start: 0, end: text.length } };
}

/** Where the digits of a literal are. */
const DIGITS: ReadonlySet<string> = new Set(['value', 'upper', 'lower']);

/** With every digit of its numbers. One that is too large for a double is `Infinity` to DuckDB, which is not JSON. */
function parseAnswer(json: string): Serialized {
  const revive = (key: string, value: unknown, { source }: { readonly source?: string }): unknown =>
    typeof value === 'number' && DIGITS.has(key) ? source : value;
  const withSource = JSON as unknown as { parse(text: string, reviver: typeof revive): Serialized };
  return withSource.parse(json.replaceAll(/(?<="value":-?)Infinity\b/g, '1e999'), revive);
}

/** Only an expression was read: without FROM, WHERE, ORDER BY or a second column. */
function isOnlyExpression({ select_list: list, ...clauses }: SelectNode): boolean {
  if (list?.length !== 1 || (clauses['from_table'] as SqlNode | null)?.type !== 'EMPTY') return false;
  const { map } = clauses['cte_map'] as { readonly map: readonly unknown[] };
  return (
    map.length === 0 &&
    ['where_clause', 'having', 'qualify', 'sample'].every((clause) => clauses[clause] === null) &&
    ['modifiers', 'group_expressions', 'group_sets'].every((clause) => (clauses[clause] as unknown[]).length === 0)
  );
}
