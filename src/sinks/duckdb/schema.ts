/** Version of the file's own tables, in `tailrace.meta`. A newer one is refused. */
export const WAREHOUSE_FORMAT_VERSION = 1;

/**
 * The tables of the warehouse itself. All times are TIMESTAMPTZ in UTC. `stream` and `partition` say whose state a row is: a snapshot
 * of a partition replaces all of it.
 */
export const SYSTEM_TABLES = {
  meta: 'key VARCHAR, value VARCHAR',
  /** Where this warehouse stands in each epoch partition; written in the transaction of the rows. */
  cursors: `topic VARCHAR, partition INTEGER, stream VARCHAR, "offset" BIGINT, id VARCHAR, n BIGINT, raw_to BIGINT, raw_log VARCHAR,
    watermark TIMESTAMPTZ, generation INTEGER, first_n BIGINT, history_from BIGINT, updated_at TIMESTAMPTZ`,
  /** Those that are not visible hold the state of one that is. */
  rollups: `rollup VARCHAR, stream VARCHAR, generation INTEGER, is_current BOOLEAN, is_visible BOOLEAN, fingerprint VARCHAR,
    definition VARCHAR`,
  sources: `stream VARCHAR, partition INTEGER, source VARCHAR, identity VARCHAR, path VARCHAR, origin BIGINT, position BIGINT, tail VARCHAR,
    state VARCHAR, event_time_max TIMESTAMPTZ, quiet_since TIMESTAMPTZ, gap_end BIGINT, agent_lines BIGINT, agent_sum_a UINTEGER,
    agent_sum_b UINTEGER, possible_loss_bytes BIGINT, possible_double_bytes BIGINT`,
  agents: `stream VARCHAR, partition INTEGER, agent VARCHAR, number_max BIGINT, last_beat TIMESTAMPTZ, log_time TIMESTAMPTZ, has_ended BOOLEAN,
    full_beat_offset BIGINT`,
  ledger: `stream VARCHAR, partition INTEGER, source VARCHAR, consumer VARCHAR, fate VARCHAR, reason VARCHAR, lines BIGINT, sum_a UINTEGER,
    sum_b UINTEGER`,
  late: `source VARCHAR, "offset" BIGINT, event_time TIMESTAMPTZ, rollup VARCHAR, window_start TIMESTAMPTZ, window_end TIMESTAMPTZ,
    watermark TIMESTAMPTZ, key VARCHAR[], is_whole BOOLEAN`,
  dead_letters: `path VARCHAR, "offset" BIGINT, reason VARCHAR, detail VARCHAR, line VARCHAR, raw BLOB, is_cut BOOLEAN, length BIGINT, source VARCHAR,
    stream VARCHAR`,
  /** What a document sink knows of the sources it reads: where it stands in each, which is not where the engine does. */
  document_sources: `stream VARCHAR, partition INTEGER, sink VARCHAR, source VARCHAR, identity VARCHAR, path VARCHAR, origin BIGINT,
    position BIGINT, state VARCHAR, gap_end BIGINT, agent_lines BIGINT, agent_sum_a UINTEGER, agent_sum_b UINTEGER,
    possible_loss_bytes BIGINT, possible_double_bytes BIGINT`,
  refusals:
    'stream VARCHAR, partition INTEGER, raw_offset BIGINT, source VARCHAR, reason VARCHAR, start_byte BIGINT, end_byte BIGINT',
} as const;
export type SystemTable = keyof typeof SYSTEM_TABLES;

/** Tables that files of this version may lack: they were made before there were documents. */
const LATER_TABLES: readonly SystemTable[] = ['document_sources'];

export function laterTablesSql(): string[] {
  return LATER_TABLES.map((name) => `CREATE TABLE IF NOT EXISTS tailrace.${name} (${SYSTEM_TABLES[name]})`);
}

export function schemaSql(): string[] {
  const tables = Object.entries(SYSTEM_TABLES).map(([name, columns]) => `CREATE TABLE tailrace.${name} (${columns})`);
  return [
    'CREATE SCHEMA tailrace',
    ...tables,
    `INSERT INTO tailrace.meta VALUES ('format_version', '${WAREHOUSE_FORMAT_VERSION}')`,
  ];
}
