import type { Log } from '../broker/broker.ts';
import { pastTrims } from '../broker/past-trims.ts';
import { isSamePipeline } from '../epoch/fingerprint.ts';
import type { Pipeline } from '../epoch/pipeline.ts';
import { EpochWalk } from '../epoch/walk.ts';
import { present } from '../lib/assert.ts';
import { changedMeanwhile, readHistory } from './read-epochs.ts';

/** Which pipeline a partition runs, as its last snapshot says. */
interface Running {
  readonly generation: number;
  readonly pipeline: Pipeline;
}

export interface RunGeneration {
  /** What the run brings. */
  readonly generation: number;
  /** The highest there is in the log; 0 where there is none. */
  readonly newest: number;
}

/**
 * The generation that a run of `pipeline` brings to every partition it gets: the newest there is, over all partitions, if that is this pipeline,
 * and one more otherwise. Two hosts with different pipelines so have different numbers, and a partition that moves between them
 * never goes back to the older one. The epoch topics must exist.
 */
export async function runGeneration(
  log: Log,
  pipeline: Pipeline,
  topicOf: (stream: string) => string,
): Promise<RunGeneration> {
  let newest: Running[] = [];
  for (const [stream, { partitions }] of Object.entries(pipeline.streams)) {
    for (let partition = 0; partition < partitions; partition++) {
      const topic = topicOf(stream);
      const running = await pastTrims(log, [{ topic, partition }], () => runningIn(log, topic, partition));
      const generation = newest[0]?.generation ?? 0;
      if (running === undefined || running.generation < generation) continue;
      newest = running.generation > generation ? [running] : [...newest, running];
    }
  }
  const generation = newest[0]?.generation ?? 0;
  const isOurs = newest.every((running) => isSamePipeline(running.pipeline, pipeline));
  return { generation: isOurs ? Math.max(1, generation) : generation + 1, newest: generation };
}

async function runningIn(log: Log, topic: string, partition: number): Promise<Running | undefined> {
  const place = { log, topic, partition };
  const last = (await readHistory(place)).snapshots.at(-1);
  if (last === undefined) return undefined;
  for await (const { body } of EpochWalk.fromEpoch(place, last).epochs()) {
    const pipeline = present(body?.pipeline, 'a snapshot carries its pipeline');
    return { generation: last.envelope.generation, pipeline };
  }
  throw changedMeanwhile(place);
}
