import { afterEach, expect, test } from '@jest/globals';
import type { EngineOptions } from '../../src/engine/engine.ts';
import { runGeneration } from '../../src/engine/run-generation.ts';
import { decodeEnvelope } from '../../src/epoch/codec.ts';
import type { Pipeline } from '../../src/epoch/pipeline.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { EXIT } from '../../src/lib/errors.ts';
import { EPOCHS, Worker, World, pipelineOf, stopWorkers } from '../support/engine-world.ts';
import { BY_KEY } from '../support/raw-stream.ts';

afterEach(stopWorkers);

const generationOf = async (world: World, pipeline: Pipeline): Promise<number> =>
  (await runGeneration(world.log, pipeline, () => EPOCHS)).generation;

test('a run finds its generation also where the epochs are trimmed while it reads them', async () => {
  const world = await new World().begin();
  const newer = pipelineOf({ more: BY_KEY });
  for (const pipeline of [pipelineOf(), newer]) {
    const generation = await generationOf(world, pipeline);
    const worker = new Worker(world.log, 'a', false, { pipeline, maySwitch: true, generation });
    await systemClock.sleep(10);
    worker.script.give(1);
    await world.write(1, 5);
    await world.decided(1);
    expect(await worker.stop()).toBe('drained');
  }
  const { messages } = world.store.partition(EPOCHS, 1);
  const snapshots = messages.filter(({ kind, header }) => kind === 'epoch' && decodeEnvelope(header).isSnapshot);
  const last = snapshots.at(-1)!.offset;
  expect(last).toBeGreaterThan(snapshots[0]!.offset);
  world.store.beforeBatch = (_, partition) => {
    if (partition === 1) world.store.trim(EPOCHS, 1, last);
  };
  expect(await runGeneration(world.log, newer, () => EPOCHS)).toEqual({ generation: 2, newest: 2 });
  expect(await runGeneration(world.log, pipelineOf(), () => EPOCHS)).toEqual({ generation: 3, newest: 2 });
});

test('hosts with different pipelines: a partition never goes back to the older one, whose run ends', async () => {
  const world = await new World().begin();
  const newer = pipelineOf({ more: BY_KEY });
  const brings = async (pipeline: Pipeline): Promise<Partial<EngineOptions>> => ({
    pipeline,
    maySwitch: true,
    generation: await generationOf(world, pipeline),
  });
  const first = new Worker(world.log, 'a', false, await brings(pipelineOf()));
  await systemClock.sleep(10);
  first.script.give(0, 1);
  for (const partition of [0, 1]) await world.write(partition, 5);
  for (const partition of [0, 1]) await world.decided(partition);
  const second = new Worker(world.log, 'b', false, await brings(newer));
  await systemClock.sleep(10);
  first.script.give(0);
  second.script.give(1);
  await world.write(1, 5);
  await world.decided(1);
  // Each has its own, and the older one goes on with what was never the newer one's.
  await world.write(0, 5);
  await world.decided(0);
  // The host with the newer pipeline is gone.
  await second.stop();
  first.script.give(0, 1);
  expect(await first.ended).toMatchObject({ code: 'SUPERSEDED', exitCode: EXIT.superseded });
  // Started again by its supervisor it is still the older one.
  const again = new Worker(world.log, 'c', false, { pipeline: pipelineOf(), maySwitch: true, generation: 1 });
  await systemClock.sleep(10);
  again.script.give(1);
  expect(await again.ended).toMatchObject({ code: 'SUPERSEDED' });
  const third = new Worker(world.log, 'd', false, await brings(newer));
  await systemClock.sleep(10);
  third.script.give(0, 1);
  for (const partition of [0, 1]) await world.write(partition, 5);
  for (const partition of [0, 1]) await world.decided(partition);
  expect(await third.stop()).toBe('drained');
});

test('the generation of a run is the newest of all partitions for the same pipeline, and one more for another', async () => {
  const world = await new World().begin();
  const [older, newer] = [pipelineOf(), pipelineOf({ more: BY_KEY })];
  const generations = async (): Promise<number[]> => [
    await generationOf(world, older),
    await generationOf(world, newer),
  ];
  const work = async (partition: number, change: Partial<EngineOptions>): Promise<void> => {
    const worker = new Worker(world.log, 'w', false, { maySwitch: true, ...change });
    await systemClock.sleep(10);
    worker.script.give(partition);
    await world.write(partition);
    await world.decided(partition);
    await worker.stop();
  };
  expect(await generations()).toEqual([1, 1]);
  await work(0, { pipeline: older, generation: 1 });
  expect(await generations()).toEqual([1, 2]);
  await work(1, { pipeline: newer, generation: 2 });
  expect(await generations()).toEqual([3, 2]);
  // Back to the older one: also where it never was another, so that no run of the newer one may take it over.
  await work(0, { pipeline: older, generation: 3 });
  expect(await generations()).toEqual([3, 4]);
  await work(1, { pipeline: older, generation: 3 });
  // Two that began at the same moment with different pipelines: the next start decides.
  await work(0, { pipeline: newer, generation: 4 });
  await work(1, { pipeline: pipelineOf({ other: BY_KEY }), generation: 4 });
  expect(await generations()).toEqual([5, 5]);
});
