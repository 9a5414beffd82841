import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Cursor, Report } from '../broker.ts';

interface PendingReport {
  readonly group: string;
  readonly number: number;
  readonly cursor: Cursor | undefined;
  readonly reportedAtMs: number;
}

interface ReportRow {
  readonly consumer_group: string;
  readonly partition: number;
  readonly cursor_offset: number | null;
  readonly cursor_id: string | null;
  readonly reported_at_ms: number;
}

/**
 * Cursors of consumer groups, for lag boards and trimming. New ones wait for the next commit of an append, or for the flush that the log
 * makes within a second: they cost no fsync of their own while data flows. Bound: one pending report a group and partition.
 */
export class ReportTable {
  readonly #put: StatementSync;
  readonly #ofTopic: StatementSync;
  readonly #forget: StatementSync;
  readonly #pending = new Map<string, PendingReport>();

  constructor(database: DatabaseSync) {
    // A registration (no cursor) must not wipe a cursor that is there.
    this.#put = database.prepare(`
      INSERT INTO reports (consumer_group, number, cursor_offset, cursor_id, reported_at_ms) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET cursor_offset = excluded.cursor_offset, cursor_id = excluded.cursor_id,
        reported_at_ms = excluded.reported_at_ms WHERE excluded.cursor_offset IS NOT NULL`);
    this.#ofTopic = database.prepare(`
      SELECT consumer_group, partition, cursor_offset, cursor_id, reported_at_ms
      FROM reports JOIN partitions USING (number) WHERE topic = ? ORDER BY consumer_group, partition`);
    this.#forget = database.prepare('DELETE FROM reports WHERE consumer_group = ?');
  }

  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  add(report: PendingReport): void {
    const key = `${report.number} ${report.group}`;
    if (report.cursor !== undefined || !this.#pending.has(key)) this.#pending.set(key, report);
  }

  /** Inside a transaction. What it returns goes on waiting until {@link settle} says that the transaction is committed. */
  writePending(): readonly PendingReport[] {
    const written = [...this.#pending.values()];
    for (const { group, number, cursor, reportedAtMs } of written) {
      this.#put.run(group, number, cursor?.offset ?? null, cursor?.id ?? null, reportedAtMs);
    }
    return written;
  }

  settle(written: readonly PendingReport[]): void {
    for (const report of written) {
      const key = `${report.number} ${report.group}`;
      if (this.#pending.get(key) === report) this.#pending.delete(key);
    }
  }

  dropPending(group: string): void {
    for (const [key, report] of this.#pending) if (report.group === group) this.#pending.delete(key);
  }

  forget(group: string): void {
    this.#forget.run(group);
  }

  ofTopic(topic: string): Report[] {
    const rows = this.#ofTopic.all(topic) as unknown as ReportRow[];
    return rows.map((row) => ({
      group: row.consumer_group,
      partition: row.partition,
      cursor: row.cursor_offset === null ? undefined : { offset: row.cursor_offset, id: row.cursor_id ?? '' },
      reportedAtMs: row.reported_at_ms,
    }));
  }
}
