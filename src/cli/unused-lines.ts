import { type Config, filledTables } from '../config/config.ts';
import type { DataDir } from '../config/data-dir.ts';
import { shownPath } from '../config/load.ts';
import { hasWarehouse } from '../roles/sinks/duckdb.ts';
import { OperatingError } from '../lib/errors.ts';
import { type UnusedLines, tablesOfFewLines } from '../query/unused-lines.ts';
import { commandName } from './command-name.ts';
import { say } from './output.ts';
import { formatCount } from '../lib/units.ts';
import { queryOf, warehouseOf } from './sql-target.ts';

/** What of a run's lines is in no row, where that is more than a person would take for chance; said with the command that shows it. */
export async function sayUnusedLines(
  config: Config,
  dataDir: DataDir,
  query = queryOf(dataDir),
): Promise<readonly UnusedLines[]> {
  const tables = await tablesOfFewLines(query, filledTables(config));
  // Tables of one stream miss the same dead letters.
  const asked = new Set<string>();
  for (const { table, stream, lines, unused, reasons } of tables) {
    const counts = reasons.map((one) => `${one.reason} ${formatCount(one.lines)}`).join(', ');
    say(`tailrace: ${formatCount(unused)} of ${formatCount(lines)} lines are in no row of ${table}: ${counts}`);
    if (reasons.some(({ reason }) => reason !== 'late'))
      asked.add(`select path, reason, detail, line from tailrace.dead_letters where stream = '${stream}' limit 20`);
    if (reasons.some(({ reason }) => reason === 'late'))
      asked.add(`select event_time, watermark, window_end from tailrace.late where rollup = '${table}' limit 20`);
  }
  const where = config.file === null ? `--data-dir ${shownPath(config.dataDir)}` : `-c ${shownPath(config.file)}`;
  for (const sql of asked) say(`  see them: ${commandName()} sql ${where} "${sql}"`);
  return tables;
}

/** The same at the end of a run that was stopped: what cannot be asked any more is not worth an error. */
export async function sayUnusedLinesAtStop(config: Config, dataDir: DataDir): Promise<void> {
  if (!hasWarehouse(config)) return;
  try {
    // The run still holds its lock, but its processes have ended: nobody comes back to answer.
    const stopped = { ...warehouseOf(dataDir), isSupervised: () => false };
    await sayUnusedLines(config, dataDir, queryOf(dataDir, stopped));
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error;
  }
}
