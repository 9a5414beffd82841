import type { AuditTables } from '../../src/query/audit-tables.ts';

/** A warehouse in which nothing is. */
export const NO_TABLES: AuditTables = {
  sources: [],
  documentSources: [],
  ledger: [],
  rollups: [],
  deadLetters: new Map(),
  refusals: [],
  streamsBegunLater: new Set(),
  hasHistoryFrom: false,
};
