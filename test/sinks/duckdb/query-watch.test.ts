import { expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const moduleAt = (path: string): string => JSON.stringify(pathToFileURL(path).href);

test('a process whose watching thread crashes ends: a query that nobody watches does not go on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-watch-'));
  // Without limits the thread fails at its first look at a query.
  const script = `
    import { ProcessWatch } from ${moduleAt('src/sinks/duckdb/query-watch.ts')};
    import { systemClock } from ${moduleAt('src/lib/clock.ts')};
    const watch = new ProcessWatch({ databasePath: ${JSON.stringify(join(folder, 'w.duckdb'))}, limits: undefined }, systemClock);
    await watch.ready();
    watch.began('select 1', { judged: 'fine', isOwn: false, onMemoryShort: () => undefined });
    console.log('began');
    setTimeout(() => console.log('still there'), 20_000);
  `;
  try {
    const program = join(folder, 'watched.mjs');
    writeFileSync(program, script);
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    expect({ code, said }).toMatchObject({ code: 1 });
    expect(said).toMatch(/TypeError[^]*watchdog/);
    expect(said).not.toContain('still there');
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);
