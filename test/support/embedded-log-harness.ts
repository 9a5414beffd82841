import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openEmbeddedLog } from '../../src/broker/embedded/embedded-log.ts';
import type { EmbeddedLog } from '../../src/broker/embedded/embedded-log.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { LogHarness } from './log-harness.ts';

const DISK_MAX_BYTES = 1024 ** 3;

/** For other processes: the argument is the file. */
export function openLog(path: string): EmbeddedLog {
  return openEmbeddedLog({ path, clock: systemClock, diskMaxBytes: DISK_MAX_BYTES });
}

export interface EmbeddedLogHarness extends LogHarness {
  readonly folder: string;
  readonly path: string;
  open(...args: Parameters<LogHarness['open']>): Promise<EmbeddedLog>;
  damage(topic: string, partition: number, offset: number, part: 'header' | 'value'): void;
}

export function embeddedLogHarness(): EmbeddedLogHarness {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-log-'));
  const path = join(folder, 'broker.db');
  const opened: EmbeddedLog[] = [];
  return {
    folder,
    path,
    async open({ clock = systemClock, diskMaxBytes = DISK_MAX_BYTES } = {}) {
      const log = openEmbeddedLog({ path, clock, diskMaxBytes });
      opened.push(log);
      return log;
    },
    damage(topic, partition, offset, part) {
      const database = new DatabaseSync(path, { timeout: 5000 });
      const where = `id = (SELECT number FROM partitions WHERE topic = ? AND partition = ?) * 1099511627776 + ?`;
      const row = database
        .prepare(`SELECT ${part} AS bytes FROM messages WHERE ${where}`)
        .get(topic, partition, offset);
      const bytes = Uint8Array.from(row!['bytes'] as Uint8Array);
      const middle = bytes.length >> 1;
      bytes[middle] = bytes[middle]! ^ 0x10;
      database.prepare(`UPDATE messages SET ${part} = ? WHERE ${where}`).run(bytes, topic, partition, offset);
      database.close();
    },
    copy() {
      const copyPath = `${path}.copy`;
      copyFileSync(path, copyPath);
      return () => copyFileSync(copyPath, path);
    },
    child: { module: import.meta.url, argument: path },
    async close() {
      for (const log of opened) await log.close();
      rmSync(folder, { recursive: true });
    },
  };
}
