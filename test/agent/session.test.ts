import { expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filesKind } from '../../src/agent/files-kind.ts';
import { Agent } from '../../src/agent/agent.ts';
import { openEmbeddedLog } from '../../src/broker/embedded/embedded-log.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { BLOCK_BYTES_MAX } from '../../src/record/block.ts';
import { readRaw } from '../support/raw-reader.ts';

const TOPIC = 'tailrace.raw.web';

test('files of many blocks arrive byte for byte in the embedded log, over several partitions', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-agent-'));
  const log = openEmbeddedLog({ path: join(folder, 'broker.db'), clock: systemClock, diskMaxBytes: 1024 ** 3 });
  try {
    const texts = [200, 30_000, 90_000].map((lines, file) =>
      Array.from({ length: lines }, (_, i) => `${file} ${i} ${'x'.repeat((i * 7919) % 180)}`)
        .join('\n')
        .concat('\n'),
    );
    for (const [file, text] of texts.entries()) writeFileSync(join(folder, `${file}.log`), text);
    const include = [join(folder, '*.log')];
    const input = {
      name: 'web',
      kind: filesKind,
      topic: TOPIC,
      partitions: 2,
      include,
      exclude: [],
      lineBytesMax: 4096,
      copyGraceMs: 30_000,
    };
    const options = { dataDir: join(folder, 'data'), inputs: [input], isOnce: true, closesAll: true };
    await new Agent({ clock: systemClock, log, options }).run(new AbortController().signal);
    const { sources, blocks, beats, refused } = await readRaw(log, TOPIC);
    expect(refused).toEqual([]);
    const received = [...sources.values()].map(({ bytes }) => bytes.toString());
    expect(received.toSorted((left, right) => left.length - right.length)).toEqual(texts);
    expect(blocks.length).toBeGreaterThan(15);
    expect(Math.max(...blocks.map(({ start, end }) => end - start))).toBeLessThanOrEqual(BLOCK_BYTES_MAX);
    expect(beats.filter(({ hasEnded }) => hasEnded)).toHaveLength(2);
  } finally {
    await log.close();
    rmSync(folder, { recursive: true });
  }
});
