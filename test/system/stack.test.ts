// The code path of `make stack`, end to end: the same files, other ports, a folder of its own.
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { countDocuments } from '../../scripts/stack/documents.ts';
import { NativeStack, copyStackFiles } from '../../scripts/stack/native.ts';
import { proveStack } from '../../scripts/stack/proof.ts';
import { readSecret } from '../../scripts/stack/secrets.ts';
import { SERVER_START_MS, describeWith } from '../support/stack/require-stack.ts';
import { until } from '../support/tailrace-process.ts';

const RATE = 200;
/** Five seconds of it. */
const DOCUMENTS_MIN = 1000;
const PATIENCE_MS = 180_000;

interface Targets {
  readonly data: { readonly activeTargets: readonly { readonly health: string }[] };
}

describeWith(
  'kafka',
  'elasticsearch',
  'prometheus',
  'alertmanager',
)('make stack', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-stack-'));
  const said: string[] = [];
  const stack = new NativeStack({ folder, rate: RATE, anyPorts: true, say: (line) => said.push(line) });

  beforeAll(async () => {
    // Where tests run as root, Elasticsearch runs as nobody and has to get through.
    chmodSync(folder, 0o755);
    copyStackFiles(folder);
    await stack.start();
  }, SERVER_START_MS);

  afterAll(async () => {
    await stack.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('makes one document and one count of each line, though engine and sink are killed', async () => {
    const password = readSecret(join(folder, 'secrets'), 'elastic_password');
    const proof = await proveStack(
      {
        tailrace: async (...args) => stack.tailrace(...args),
        countLines: async () => {
          const files = readdirSync(stack.logFolder).map((name) => readFileSync(join(stack.logFolder, name), 'utf8'));
          return files.join('').split('\n').length - 1;
        },
        countDocuments: () => countDocuments({ url: stack.urlOf('elasticsearch'), password }),
        kill: async (role) => {
          process.kill(stack.pidOf(role === 'search' ? 'sink-search' : 'engine-0') ?? Number.NaN, 'SIGKILL');
        },
        stopGenerator: () => stack.stopGenerator(),
        say: (line) => said.push(line),
      },
      { documentsMin: DOCUMENTS_MIN, patienceMs: PATIENCE_MS },
    );
    expect(proof.lines).toBeGreaterThan(2 * DOCUMENTS_MIN);
    expect(proof.documents).toBe(proof.lines);
    expect(proof.rows).toBeGreaterThan(100);
    expect(proof.audit).toContain('lost 0, doubled 0');
    expect(said.filter((line) => line.endsWith('killed by SIGKILL'))).toHaveLength(2);
  });

  test('finds lines in Elasticsearch', () => {
    const { code, output } = stack.tailrace('search', 'status>=500', '-c', 'stack.yaml', '-n', '3', '-o', 'json');
    expect(code).toBe(0);
    const lines = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(line['http.response.status_code']).toBeGreaterThanOrEqual(500);
  });

  test('shows the lag of every reader to Prometheus, which knows its Alertmanager and the rules', async () => {
    const ask = async <T>(path: string): Promise<T> =>
      (await (await fetch(`${stack.urlOf('prometheus')}/api/v1/${path}`)).json()) as T;
    // One scrape may take too long on a busy machine.
    await until(
      async () => (await ask<Targets>('targets')).data.activeTargets.every(({ health }) => health === 'up'),
      120_000,
      () => 'Prometheus finds the exporter or the run down',
    );
    expect((await ask<Targets>('targets')).data.activeTargets).toHaveLength(2);
    const query = encodeURIComponent('count by (group) (tailrace_lag_seconds)');
    const { data } = await ask<{ data: { result: { metric: { group: string } }[] } }>(`query?query=${query}`);
    const groups = data.result.map(({ metric }) => metric.group).toSorted();
    expect(groups).toEqual(
      expect.arrayContaining(['pipeline.stack', 'stack.search', expect.stringMatching(/^stack\.warehouse\./)]),
    );
    const measured = encodeURIComponent('count by (stream) (tailrace_conservation_lines == 0)');
    const { data: balanced } = await ask<{ data: { result: { metric: { stream: string } }[] } }>(
      `query?query=${measured}`,
    );
    expect(balanced.result.map(({ metric }) => metric.stream).toSorted()).toEqual(['access', 'shop']);
    const alertmanagers = await ask<{ data: { activeAlertmanagers: unknown[] } }>('alertmanagers');
    expect(alertmanagers.data.activeAlertmanagers).toHaveLength(1);
    const rules = await ask<{ data: { groups: unknown[] } }>('rules');
    expect(rules.data.groups.length).toBeGreaterThan(1);
  });

  test('keeps what its parts say, and says when one ends by itself', async () => {
    const parts = join(folder, 'stack-data', 'parts');
    const wordsOf = (part: string): string => readFileSync(join(parts, `${part}.log`), 'utf8');
    expect(wordsOf('pipeline')).toContain('data in stack-data/tailrace');
    expect(wordsOf('exporter')).toContain('metrics on http://');
    expect(stack.ended).toEqual([]);

    const before = said.length;
    process.kill(Number(readFileSync(join(parts, 'pipeline.pid'), 'utf8')), 'SIGKILL');
    while (stack.ended.length === 0) await sleep(50);
    expect(stack.ended).toEqual(['pipeline']);
    const [line = '', ...more] = said.slice(before);
    expect(more).toEqual([]);
    expect(line).toMatch(
      /^pipeline ENDED: killed by SIGKILL; .* It said last: .+ \(stack-data\/parts\/pipeline\.log\)$/,
    );
    expect(wordsOf('pipeline')).toMatch(/ pipeline ended: killed by SIGKILL\n$/);
  });
});
