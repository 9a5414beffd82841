import { expect, test } from '@jest/globals';
import type { LedgerTotal } from '../../src/engine/ledger.ts';
import { TaskMeter } from '../../src/engine/task-meter.ts';
import type { EpochBody } from '../../src/epoch/epoch.ts';
import { METRICS, type MetricDefinition } from '../../src/metrics/catalogue.ts';
import { Meter } from '../../src/metrics/meter.ts';
import { ManualClock } from '../support/manual-clock.ts';

const ID = { pipeline: 'web', stream: 'access', partition: 0 };
const bodyOf = (watermarkMs: number): EpochBody =>
  ({ watermarkMs, refusals: [{ reason: 'gap' }] }) as unknown as EpochBody;

function total(fate: LedgerTotal['fate'], lines: number, reason = ''): LedgerTotal {
  return { consumer: 'traffic', fate, reason, lines };
}

function world(): { clock: ManualClock; meter: Meter; task: TaskMeter } {
  const clock = new ManualClock();
  const meter = new Meter();
  return { clock, meter, task: new TaskMeter({ meter, clock }, ID) };
}

/** The values of a metric, by the labels that are not the task's. */
async function valuesOf(meter: Meter, { name }: MetricDefinition): Promise<Record<string, number>> {
  const family = (await meter.read()).find((one) => one.name === name);
  const rows = (family?.values ?? []).map(({ labels, value }) => {
    const { pipeline: _pipeline, stream: _stream, partition: _partition, ...others } = labels;
    return [Object.values(others).join(' '), value] as const;
  });
  return Object.fromEntries(rows);
}

test('busy, back-pressured and idle add up to the time that went by', async () => {
  const { clock, meter, task } = world();
  await clock.advance(1000);
  task.is('busy');
  await clock.advance(250);
  task.is('backPressured');
  await clock.advance(2000);
  task.is('busy');
  await clock.advance(500);
  const seconds = async (): Promise<unknown[]> =>
    Promise.all([METRICS.taskBusy, METRICS.taskBackPressured, METRICS.taskIdle].map((one) => valuesOf(meter, one)));
  // What goes on at the moment of reading counts as far as it is.
  expect(await seconds()).toEqual([{ '': 0.75 }, { '': 2 }, { '': 1 }]);
  await clock.advance(250);
  task.ended();
  await clock.advance(9000);
  expect(await seconds()).toEqual([{ '': 1 }, { '': 2 }, { '': 1 }]);
});

test('the lines of all fates come to those that came in; a line that is lost or doubled shows', async () => {
  const { meter, task } = world();
  const balanced = [total('in', 10), total('rolled_up', 6), total('late', 2), total('dead_letter', 2, 'malformed')];
  task.closed(bodyOf(0), 0, [...balanced, total('placed', 30), total('declared_loss', 512), total('value_lost', 1)]);
  expect(await valuesOf(meter, METRICS.conservation)).toEqual({ traffic: 0 });
  expect(await valuesOf(meter, METRICS.lines)).toMatchObject({
    'traffic in ': 10,
    'traffic dead_letter malformed': 2,
    'traffic placed ': 30,
  });
  task.closed(bodyOf(0), 0, [...balanced, total('in', 1)]);
  expect(await valuesOf(meter, METRICS.conservation)).toEqual({ traffic: 1 });
  task.closed(bodyOf(0), 0, [...balanced, total('rolled_up', 3)]);
  expect(await valuesOf(meter, METRICS.conservation)).toEqual({ traffic: -3 });
});

test('documents are one series, however many indices they go to', async () => {
  const { meter, task } = world();
  task.closed(bodyOf(0), 0, [total('in', 5), total('indexed', 2, 'logs-1'), total('indexed', 3, 'logs-2')]);
  expect(await valuesOf(meter, METRICS.lines)).toEqual({ 'traffic in ': 5, 'traffic indexed ': 5 });
});

test('an epoch that counts, one that fails, and the end of a task with none in flight', async () => {
  const { clock, meter, task } = world();
  task.closed(bodyOf(clock.nowMs() - 60_000), clock.nowMs() - 1500, []);
  await clock.advance(300);
  task.counted(4096);
  expect(await valuesOf(meter, METRICS.checkpointSize)).toEqual({ '': 4096 });
  expect(await valuesOf(meter, METRICS.watermark)).toEqual({ '': (clock.nowMs() - 60_300) / 1000 });
  expect(await valuesOf(meter, METRICS.refusals)).toEqual({ gap: 1 });
  expect(await valuesOf(meter, METRICS.checkpointSeconds)).toMatchObject({ '0.25': 0, '0.5': 1, '+Inf': 1 });
  expect(await valuesOf(meter, METRICS.eventLatency)).toMatchObject({ '1': 0, '2.5': 1, '+Inf': 1 });
  // Without a newer line there is no latency to speak of.
  task.closed(bodyOf(0), clock.nowMs() - 1_000_000, []);
  expect(await valuesOf(meter, METRICS.checkpointAttempts)).toEqual({ ok: 1, failed: 0 });
  task.failed();
  expect(await valuesOf(meter, METRICS.eventLatency)).toMatchObject({ '+Inf': 1 });
  // Now none is in flight: whatever ended the task, no checkpoint failed.
  task.failed();
  expect(await valuesOf(meter, METRICS.checkpointAttempts)).toEqual({ ok: 1, failed: 1 });
  task.ended();
  expect(await valuesOf(meter, METRICS.watermark)).toEqual({});
});
