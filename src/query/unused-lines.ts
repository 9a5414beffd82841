import type { Query } from './audit-tables.ts';

/** Of so many lines that are in no row something is wrong with the whole: a format, a time, a clock. */
const UNUSED_SHARE_MAX = 0.1;

/** Lines that a table's stream had and that are in none of its rows. */
export interface UnusedLines {
  readonly table: string;
  readonly stream: string;
  /** Lines that came in. */
  readonly lines: number;
  readonly unused: number;
  /** `late`, and the reasons of dead letters; those with the most lines first. */
  readonly reasons: readonly { readonly reason: string; readonly lines: number }[];
}

/** The tables that miss more than a tenth of their stream's lines, by the ledger. */
export async function tablesOfFewLines(query: Query, tables: readonly string[]): Promise<UnusedLines[]> {
  const rows = (await query(
    `SELECT consumer, stream, fate, reason, CAST(sum(lines) AS DOUBLE) FROM tailrace.ledger
      WHERE fate IN ('in', 'dead_letter', 'late') GROUP BY ALL ORDER BY 5 DESC, 4`,
  )) as readonly (readonly [string, string, string, string | null, number])[];
  return tables.flatMap((table) => {
    const own = rows.filter(([consumer]) => consumer === table);
    const reasons = own.flatMap(([, , fate, reason, lines]) =>
      fate === 'in' || lines === 0
        ? []
        : [{ reason: fate === 'late' ? 'late' : (reason ?? fate), lines: Number(lines) }],
    );
    const lines = own.reduce((sum, [, , fate, , count]) => sum + (fate === 'in' ? Number(count) : 0), 0);
    const unused = reasons.reduce((sum, one) => sum + one.lines, 0);
    const stream = own[0]?.[1] ?? '';
    return unused > lines * UNUSED_SHARE_MAX ? [{ table, stream, lines, unused, reasons }] : [];
  });
}
