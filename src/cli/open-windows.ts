import { escapeText } from '../lib/escape.ts';
import type { Query } from '../query/audit-tables.ts';
import { identifier } from '../sinks/duckdb/names.ts';
import { formatCount } from '../lib/units.ts';

/** The windows of a table that were open when it was asked. */
export interface OpenWindows {
  readonly windows: number;
  /** The first of them as ISO 8601, '' without one. */
  readonly start: string;
  readonly end: string;
}

export async function readOpenWindows(query: Query, table: string): Promise<OpenWindows> {
  const [row = []] = await query(
    `SELECT count(DISTINCT window_start), min(window_start), min(window_end) FROM main.${identifier(table)} WHERE status = 'open'`,
  );
  const [windows, ...times] = row;
  const [start = '', end = ''] = times.map((time) => (typeof time === 'string' ? time : ''));
  return { windows: Number(windows ?? 0), start, end };
}

/** What a run that has ended leaves for the next one; undefined where everything is final. */
export function openWindowsText(
  tables: readonly { readonly table: string; readonly open: OpenWindows }[],
): string | undefined {
  const open = tables.filter((of) => of.open.windows > 0);
  const windows = open.reduce((sum, of) => sum + of.open.windows, 0);
  if (windows === 0) return undefined;
  const which = open.map(({ table, open: { windows: count, start, end } }) => {
    const more = count === 1 ? '' : ` and ${formatCount(count - 1)} more`;
    return `${escapeText(table)} from ${start} to ${end}${more}`;
  });
  const [are, go] = windows === 1 ? ['window is', 'goes'] : ['windows are', 'go'];
  return `${formatCount(windows)} ${are} not over yet: ${which.join(', ')} ${go} on in the next run; --close closes all`;
}
