import { epochTopic } from '../../../src/broker/broker.ts';
import { Fold } from '../../../src/epoch/fold.ts';
import { checkTables } from './checker.ts';
import type { SimulatedEngine } from './engine.ts';
import { ModelStore } from './model-store.ts';
import { Oracle } from './oracle.ts';
import { LATE_PIPELINE_NAME, PREFIX, RAW, STREAM, type World } from './world.ts';

const STEPS_MAX = 600;
const TOPIC = epochTopic(PREFIX, LATE_PIPELINE_NAME, STREAM);

/**
 * A pipeline that begins when everything is over, on what raw still has. On a whole log it must come to what the first one came to, in one
 * go and with other batches; on a trimmed one it takes its marks from the agents' first full beats.
 */
export async function runLatePipeline(
  world: World,
  engine: SimulatedEngine,
  turn: (store: ModelStore) => Promise<void>,
): Promise<void> {
  world.store.ensureTopic({ topic: TOPIC, partitions: 1, messageBytesMax: 1 << 20 });
  // Its epochs are kept: nothing else reads them.
  world.store.report('late-reader', TOPIC, 0, undefined);
  const { start } = world.store.partition(RAW, 0);
  world.visit(start > 0 ? 'late pipeline on a trimmed log' : 'late pipeline on a whole log');
  const store = new ModelStore(world);
  const fold = new Fold({ name: TOPIC, hasBodies: true, offset: 0 });
  const isDone = (): boolean => store.cursor?.to === world.rawEnd && store.tables.open.size === 0;
  for (let step = 0; step < STEPS_MAX; step++) {
    world.clock.advance(5);
    await turn(store);
    for (const message of world.store.partition(TOPIC, 0).messages.slice(fold.nextOffset)) {
      const counted = fold.push(message);
      if (counted === undefined) continue;
      const from = { stream: STREAM, topic: TOPIC, partition: 0 };
      const epoch = { envelope: counted.envelope, body: counted.body! };
      store.fold([{ from, epoch, nextOffset: counted.offset + 1 }]);
    }
    if (isDone()) break;
  }
  const { open, sources } = store.tables;
  if (!isDone()) {
    const marks = [...sources.values()].map(({ source, state, position }) => `${source} ${state} ${position}`);
    return world.violate(
      `late pipeline stuck at ${store.cursor?.to}, ${open.size} rows open; ${marks.join(', ')}; ${engine.lastError}`,
    );
  }
  const oracle = new Oracle(world.pipeline, start > 0);
  for (const message of world.network.rawArchive.slice(start)) oracle.feed(message);
  checkTables(world, store, oracle);
}
