import { type Config, filledTables } from '../config/config.ts';
import type { DataDir } from '../config/data-dir.ts';
import { shownPath } from '../config/load.ts';
import { hasWarehouse } from '../roles/sinks/duckdb.ts';
import { systemClock } from '../lib/clock.ts';
import { EXIT } from '../lib/errors.ts';
import { escapeLines, escapeText } from '../lib/escape.ts';
import { formatCount } from '../lib/units.ts';
import { auditText } from '../query/audit-report.ts';
import { audit, auditExitCode } from '../query/audit.ts';
import type { RunOutcome } from '../roles/supervise.ts';
import { querySql } from '../sinks/duckdb/client.ts';
import { identifier } from '../sinks/duckdb/names.ts';
import type { SqlResult } from '../sinks/duckdb/sql-answer.ts';
import type { Components } from '../roles/definitions.ts';
import { sourcesOf } from '../roles/input-sources.ts';
import { documentStores } from './document-stores.ts';
import { type OpenWindows, openWindowsText, readOpenWindows } from './open-windows.ts';
import { print, printJson, say } from './output.ts';
import { NO_WAREHOUSE, NO_WAREHOUSE_HINT, queryOf, warehouseOf } from './sql-target.ts';
import { tableText } from './sql-output.ts';
import { sayUnusedLines } from './unused-lines.ts';

/** So many rows of each table are shown: those with the most lines. */
const ROWS_SHOWN = 10;

interface TableResult {
  readonly table: string;
  readonly rows: number;
  readonly top: SqlResult;
  readonly open: OpenWindows;
}

export interface ResultsOptions extends RunOutcome {
  readonly isJson: boolean;
  readonly components: Components;
}

/** What a run that has ended made: the largest rows of each table, and the audit. Resolves to the exit code. */
export async function showResults(config: Config, dataDir: DataDir, options: ResultsOptions): Promise<number> {
  if (!hasWarehouse(config)) return showNoTables(options);
  const { isJson, hasRead, unread, leftOut, components } = options;
  const tables: TableResult[] = [];
  // One after the other, as the warehouse answers them: it turns away whoever finds many waiting.
  for (const table of filledTables(config)) tables.push(await readTable(dataDir, table));
  const { stores, close } = await documentStores(config, components, systemClock.nowMs());
  const result = await audit({ query: queryOf(dataDir), stores });
  await close();
  if (isJson) {
    printJson({
      tables: tables.map(({ table, rows, top, open }) => ({
        table,
        rows,
        openWindows: open.windows,
        columns: top.columns,
        top: top.rows,
      })),
      audit: result,
      unread,
      leftOut,
    });
  } else {
    for (const { table, rows, top } of tables) {
      print(`${table}: ${formatCount(rows)} rows${rows > ROWS_SHOWN ? `, the ${ROWS_SHOWN} with the most lines` : ''}`);
      print(`${tableText(top)}\n`);
    }
    const stillOpen = openWindowsText(tables);
    if (stillOpen !== undefined) print(`${stillOpen}\n`);
    print(escapeLines(auditText(result)));
  }
  sayUnread(unread);
  sayLeftOut(leftOut);
  if (unread.length === 0) sayNothingRead(config, components, { hasRead, hasSources: result.sources.length > 0 });
  const fewLines = await sayUnusedLines(config, dataDir);
  const exitCode = auditExitCode(result);
  if (exitCode !== 0) return exitCode;
  if (unread.length > 0) return EXIT.unreachable;
  return fewLines.length > 0 ? EXIT.unusedLines : 0;
}

/** A run that found nothing says so: tables and audit are then those of the runs before. */
function sayNothingRead(
  config: Config,
  components: Components,
  { hasRead, hasSources }: { readonly hasRead: boolean; readonly hasSources: boolean },
): void {
  if (!hasSources) {
    say(
      `tailrace: nothing was read: ${sourcesOf(config, components)
        .map(({ input, definition }) => escapeText(definition.nothingIn(input)))
        .join(', ')}`,
    );
  } else if (!hasRead) {
    say('tailrace: nothing new was read: no line has come since the last run');
  }
}

/** All lines are where their sinks put them; there is nothing here to count them by. */
function showNoTables({ isJson, unread, leftOut }: ResultsOptions): number {
  if (isJson) printJson({ tables: [], audit: null, unread, leftOut });
  else say(`tailrace: ${NO_WAREHOUSE} (${NO_WAREHOUSE_HINT})`);
  sayUnread(unread);
  sayLeftOut(leftOut);
  return unread.length > 0 ? EXIT.unreachable : 0;
}

function sayUnread(unread: readonly string[]): void {
  if (unread.length > 0)
    say(`tailrace: not in this result, since they cannot be read: ${unread.map(shown).join(', ')}`);
}

function sayLeftOut(leftOut: readonly string[]): void {
  if (leftOut.length > 0) say(`tailrace: not read, since they are compressed: ${leftOut.map(shown).join(', ')}`);
}

function shown(path: string): string {
  return escapeText(shownPath(path));
}

async function readTable(dataDir: DataDir, table: string): Promise<TableResult> {
  const target = warehouseOf(dataDir);
  const own = { lane: 'own' } as const;
  const name = `main.${identifier(table)}`;
  const count = await querySql(target, `SELECT count(*) FROM ${name}`, own);
  const top = await querySql(
    target,
    `SELECT * FROM ${name} ORDER BY lines DESC, window_start LIMIT ${ROWS_SHOWN}`,
    own,
  );
  const open = await readOpenWindows(queryOf(dataDir), table);
  return { table, rows: Number(count.rows[0]?.[0] ?? 0), top, open };
}
