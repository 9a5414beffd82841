// A process that appends to a log until it is done or killed: `node log-child.ts <module> <argument> <job as JSON>`.
// For each append that was acknowledged it prints `<number> <offset>`, for one that failed `error <code>`; the parent reads what was promised.
import { writeSync } from 'node:fs';
import type { Log } from '../../src/broker/broker.ts';
import { MESSAGE_BYTES_MAX } from './log-messages.ts';

export interface AppendJob {
  readonly writer: string;
  readonly topic: string;
  readonly partition: number;
  readonly appends: number;
  readonly messagesEach: number;
  readonly valueBytes: number;
}

async function run(log: Log, job: AppendJob): Promise<void> {
  const STDOUT = 1;
  await log.ensureTopics([{ topic: job.topic, partitions: 1, messageBytesMax: MESSAGE_BYTES_MAX }]);
  // After an error the values are small: what still has room must be refused all the same.
  let valueBytes = job.valueBytes;
  for (let n = 1; n <= job.appends; n++) {
    const messages = Array.from({ length: job.messagesEach }, (_, i) => ({
      kind: 'block' as const,
      header: new TextEncoder().encode(`${job.writer} ${n} ${i}`),
      value: valueOf(n * job.messagesEach + i, valueBytes),
    }));
    const answer = await log.append(job.topic, job.partition, messages).then(
      (offset) => `${n} ${offset}`,
      (error: { code?: string }) => `error ${error.code}`,
    );
    if (answer.startsWith('error')) valueBytes = 0;
    writeSync(STDOUT, `${answer}\n`);
  }
  await log.close();
}

/** Bytes that zstd cannot shrink, different for each seed (a linear congruential generator). */
export function valueOf(seed: number, bytes: number): Uint8Array {
  const value = new Uint8Array(bytes);
  let state = seed >>> 0;
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    value[i] = state >>> 24;
  }
  return value;
}

const [, script = '', module, argument, job] = process.argv;
if (script.endsWith('log-child.ts') && module !== undefined && job !== undefined) {
  const { openLog } = (await import(module)) as { openLog: (argument: string | undefined) => Log };
  await run(openLog(argument), JSON.parse(job) as AppendJob);
}
