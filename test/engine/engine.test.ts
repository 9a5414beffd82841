import { afterEach, expect, test } from '@jest/globals';
import type { Log } from '../../src/broker/broker.ts';
import { HANDOVER_MS } from '../../src/engine/keep-task.ts';
import { decodeEnvelope } from '../../src/epoch/codec.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { EXIT, OperatingError } from '../../src/lib/errors.ts';
import { EPOCHS, Worker, World, stopWorkers } from '../support/engine-world.ts';
import { until } from '../support/tailrace-process.ts';

afterEach(stopWorkers);

test('a partition that is taken away is drained, and another worker goes on with it', async () => {
  const world = await new World().begin();
  const [first, second] = [new Worker(world.log, 'a'), new Worker(world.log, 'b')];
  await systemClock.sleep(10);
  first.script.give(0, 1);
  second.script.give();
  for (const partition of [0, 1]) await world.write(partition, 20);
  for (const partition of [0, 1]) await world.decided(partition);
  await world.write(1, 20);
  first.script.give(0);
  second.script.give(1);
  for (const partition of [0, 1]) await world.write(partition, 20);
  for (const partition of [0, 1]) await world.decided(partition);
  expect(await first.stop()).toBe('drained');
  expect(await second.stop()).toBe('drained');
  expect([first.count('fenced'), second.count('fenced')]).toEqual([0, 0]);
  expect(second.events.find(({ type }) => type === 'restored')).toMatchObject({ task: { partition: 1 } });
  expect(first.events.filter(({ type }) => type === 'assigned')).toEqual([
    { type: 'assigned', gained: ['access/0', 'access/1'], lost: [], held: 2 },
    { type: 'assigned', gained: [], lost: ['access/1'], held: 1 },
  ]);
});

test('a partition that comes back at once is begun when its last task has ended', async () => {
  const world = await new World().begin();
  const append = world.log.append.bind(world.log);
  // Draining takes longer than the pause in which another worker's last epoch is waited for.
  world.log.append = async (...args: Parameters<Log['append']>) => {
    if (args[0] === EPOCHS) await systemClock.sleep(HANDOVER_MS / 5);
    return append(...args);
  };
  const worker = new Worker(world.log, 'a');
  await systemClock.sleep(10);
  for (let round = 0; round < 3; round++) {
    worker.script.give(0);
    await world.write(0, 5);
    await world.decided(0);
    await world.write(0, 5);
    await systemClock.sleep(30);
    worker.script.give();
  }
  worker.script.give(0);
  await world.decided(0);
  expect(await worker.stop()).toBe('drained');
  expect(worker.count('fenced')).toBe(0);
});

test('two workers that both believe in a partition fence each other, ask, and nothing counts twice', async () => {
  const world = await new World().begin();
  const both = [new Worker(world.log, 'a'), new Worker(world.log, 'b')];
  await systemClock.sleep(10);
  for (const { script } of both) script.give(0);
  for (let i = 0; i < 60; i++) {
    await world.write(0);
    await systemClock.sleep(5);
  }
  await world.decided(0);
  const fenced = both.reduce((sum, worker) => sum + worker.count('fenced'), 0);
  const asked = both.reduce((sum, worker) => sum + worker.script.confirmed, 0);
  expect(fenced).toBeGreaterThan(0);
  expect(asked).toBeGreaterThan(0);
  // One learns that it is not its own any more: it stops, and the other is alone.
  both[0]!.script.give();
  await world.write(0, 20);
  await world.decided(0);
  for (const worker of both) expect(await worker.stop()).toBe('drained');
});

test('a worker that was frozen while another went on, and trimmed what it had passed, is fenced and goes on', async () => {
  const world = await new World().begin();
  const log = world.store.open();
  const read = log.read.bind(log);
  const thawed = Promise.withResolvers<void>();
  let isFrozen = false;
  log.read = async function* whenThawed(...args: Parameters<Log['read']>) {
    if (isFrozen) await thawed.promise;
    yield* read(...args);
  };
  const frozen = new Worker(log, 'a');
  await systemClock.sleep(10);
  frozen.script.give(0);
  await world.write(0, 5);
  await world.decided(0);
  isFrozen = true;
  await world.write(0, 5);
  // The number makes it begin with a snapshot.
  const other = new Worker(world.log, 'b', false, { maySwitch: true, generation: 2 });
  await systemClock.sleep(10);
  other.script.give(0);
  await world.decided(0);
  await world.write(0, 5);
  await world.decided(0);
  const { messages } = world.store.partition(EPOCHS, 0);
  const snapshots = messages.filter(({ kind, header }) => kind === 'epoch' && decodeEnvelope(header).isSnapshot);
  expect(snapshots).toHaveLength(2);
  world.store.trim(EPOCHS, 0, snapshots[1]!.offset);
  thawed.resolve();
  await until(
    () => frozen.count('fenced') > 0,
    5000,
    () => 'nobody was fenced',
  );
  frozen.script.give();
  await world.write(0, 5);
  await world.decided(0);
  expect(await frozen.stop()).toBe('drained');
  expect(await other.stop()).toBe('drained');
});

test('with a fixed assignment the one that is fenced ends, with its own exit code', async () => {
  const world = await new World().begin();
  const both = [new Worker(world.log, 'a', true), new Worker(world.log, 'b', true)];
  await systemClock.sleep(10);
  for (const { script } of both) script.give(0);
  const write = async (): Promise<void> => {
    for (let i = 0; i < 100; i++) {
      await world.write(0);
      await systemClock.sleep(5);
    }
  };
  const [loser] = await Promise.all([Promise.race(both.map(({ ended }) => ended)), write()]);
  expect(loser).toMatchObject({ code: 'FENCED', exitCode: EXIT.fenced });
  await world.decided(0);
  for (const worker of both) await worker.stop();
});

test.each([true, false])(
  'an append that gets no answer ends the task and not the process (fixed: %s)',
  async (isFixed) => {
    const world = await new World().begin();
    const append = world.log.append.bind(world.log);
    let lost = 0;
    world.log.append = async (...args: Parameters<Log['append']>) => {
      const offset = await append(...args);
      if (args[0] !== EPOCHS || lost++ > 0) return offset;
      throw new OperatingError('no answer', { code: 'LOG_UNREACHABLE', isRetryable: true, exitCode: EXIT.unreachable });
    };
    const worker = new Worker(world.log, 'a', isFixed);
    await systemClock.sleep(10);
    worker.script.give(0);
    await world.write(0, 10);
    await world.decided(0);
    // It was written all the same: whoever folds finds it.
    await until(
      () => worker.count('restored') === 2,
      5000,
      () => 'no second task',
    );
    await world.write(0, 10);
    await world.decided(0);
    expect(await worker.stop()).toBe('drained');
  },
);

test('a worker that cannot take part any more drains what it has and says why', async () => {
  const world = await new World().begin();
  const worker = new Worker(world.log, 'a');
  await systemClock.sleep(10);
  worker.script.give(0);
  await world.write(0, 10);
  await world.decided(0);
  const error = new OperatingError('the group does not want it', { code: 'GROUP' });
  worker.script.fail(error);
  expect(await worker.ended).toBe(error);
});
