import { expect, test } from '@jest/globals';
import { METRICS } from '../../src/metrics/catalogue.ts';
import { gatheredText } from '../../src/metrics/gathered.ts';
import { Meter } from '../../src/metrics/meter.ts';

const TASK = { pipeline: 'web', stream: 'access', partition: 0 };

test('what is looked up when somebody reads is looked up then, until that is ended', async () => {
  const meter = new Meter();
  let depth = 1;
  const end = meter.onRead(() => meter.set(METRICS.agentUnsent, {}, depth));
  expect(await meter.read()).toMatchObject([{ name: 'tailrace_agent_unsent_bytes', values: [{ value: 1 }] }]);
  depth = 2;
  expect(await meter.read()).toMatchObject([{ values: [{ value: 2 }] }]);
  end();
  depth = 3;
  expect(await meter.read()).toMatchObject([{ values: [{ value: 2 }] }]);
});

test('what was never measured is not there', async () => {
  expect(await new Meter().read()).toEqual([]);
});

test('families of several processes are one text: each series once, with its process', async () => {
  const [one, two] = [new Meter(), new Meter()];
  one.add(METRICS.checkpointAttempts, { ...TASK, outcome: 'ok' }, 3);
  two.add(METRICS.checkpointAttempts, { ...TASK, partition: 1, outcome: 'ok' }, 4);
  two.observe(METRICS.checkpointSeconds, { ...TASK, partition: 1 }, 0.2);
  const sent = JSON.parse(JSON.stringify([await one.read(), await two.read()])) as Awaited<ReturnType<Meter['read']>>[];
  const text = await gatheredText(
    new Map([
      ['engine 0', sent[0]!],
      ['engine 1', sent[1]!],
    ]),
  );
  expect(text.match(/^# TYPE .*$/gm)).toEqual([
    '# TYPE tailrace_checkpoint_attempts_total counter',
    '# TYPE tailrace_checkpoint_duration_seconds histogram',
  ]);
  const series = 'tailrace_checkpoint_attempts_total{pipeline="web",stream="access",partition';
  expect(text).toContain(`${series}="0",outcome="ok",process="engine 0"} 3\n`);
  expect(text).toContain(`${series}="1",outcome="ok",process="engine 1"} 4\n`);
  const bucket = 'tailrace_checkpoint_duration_seconds_bucket';
  expect(text).toContain(`${bucket}{le="0.1",pipeline="web",stream="access",partition="1",process="engine 1"} 0\n`);
  expect(text).toContain(`${bucket}{le="+Inf",pipeline="web",stream="access",partition="1",process="engine 1"} 1\n`);
});
