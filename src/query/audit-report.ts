import type { AuditResult } from './audit.ts';

const COLUMNS = ['rollup', 'sent', 'rolled up', 'late', 'dead letters', 'filtered', 'lost', 'doubled'] as const;

const DOCUMENT_COLUMNS = [
  'documents',
  'sent',
  'indexed',
  'expired',
  'dead letters',
  'filtered',
  'lost',
  'doubled',
] as const;

/** The audit as text for a person: one table, what differs, what should be known, and the sentence that counts. */
export function auditText(result: AuditResult): string {
  const rows = result.rollups.map((rollup) => [
    rollup.input === null ? rollup.rollup : `${rollup.rollup} (rows of ${rollup.input})`,
    ...[
      rollup.sent,
      rollup.rolledUp,
      rollup.late,
      rollup.deadLetters,
      rollup.filtered,
      rollup.lost,
      rollup.doubled,
    ].map(grouped),
  ]);
  const lines = [...table([[...COLUMNS], ...rows]), ''];
  if (result.documents.length > 0) {
    const documents = result.documents.map((of) => [
      `${of.sink}: ${of.stream}`,
      ...[of.sent, of.indexed, of.expired, of.deadLetters, of.filtered, of.lost, of.doubled].map(grouped),
    ]);
    lines.push(...table([[...DOCUMENT_COLUMNS], ...documents]), '');
  }
  for (const difference of result.differences) lines.push(`differs: ${difference}`);
  for (const note of result.notes) lines.push(`note: ${note}`);
  if (result.differences.length + result.notes.length > 0) lines.push('');
  lines.push(auditSentence(result));
  return lines.join('\n');
}

/** `sent 48,120 = stored 48,120, lost 0, doubled 0`. */
export function auditSentence({ sent, stored, lost, doubled, isBalanced }: AuditResult): string {
  const sign = isBalanced && sent === stored ? '=' : '≠';
  return `sent ${grouped(sent)} ${sign} stored ${grouped(stored)}, lost ${grouped(lost)}, doubled ${grouped(doubled)}`;
}

function grouped(value: number): string {
  return value.toLocaleString('en');
}

/** First column to the left, numbers to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
}
