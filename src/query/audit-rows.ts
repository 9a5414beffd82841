import { type Joints, type LedgerView, OUT_FATES } from './audit-joints.ts';
import type { AuditRollup, AuditTables } from './audit-tables.ts';

interface RowAudit {
  readonly rollup: AuditRollup;
  readonly tables: AuditTables;
  readonly ledger: LedgerView;
}

/** The final rows of the table that a rollup reads, against what the ledger says of them. Returns how many there are. */
export function compareRows({ rollup, tables, ledger }: RowAudit, input: string, joints: Joints): number {
  const { name, stream, generation } = rollup;
  const read = ledger.sum(stream, name, ['in'], input);
  joints.compare(
    `of ${input} the ledger took in`,
    read,
    'and gave a fate to',
    ledger.sum(stream, name, OUT_FATES),
    false,
  );
  const table = tables.rollups.find((one) => one.name === input);
  if (table === undefined || tables.streamsBegunLater.has(stream)) return read.lines;
  // What was final before it came was not for it.
  const cameLater = generation !== table.generation;
  joints.compare(
    `the final rows of ${input} are`,
    { ...read, lines: table.finalRows },
    'the ledger took in',
    read,
    cameLater,
  );
  return cameLater ? read.lines : table.finalRows;
}
