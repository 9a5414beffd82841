import { beforeEach, describe, expect, test } from '@jest/globals';
import { COMPONENTS } from '../../src/components.ts';
import { type OutgoingMessage, epochTopic, rawTopic } from '../../src/broker/broker.ts';
import { ENGINE_DEFAULTS, type EngineOptions } from '../../src/engine/engine.ts';
import { buildState } from '../../src/engine/build-state.ts';
import { type Restored, restoreTask } from '../../src/engine/restore.ts';
import type { TaskState } from '../../src/engine/state.ts';
import { encodeEpoch } from '../../src/epoch/codec.ts';
import type { Epoch, EpochEnvelope } from '../../src/epoch/epoch.ts';
import type { Pipeline, RollupSpec } from '../../src/epoch/pipeline.ts';
import type { Log } from '../../src/broker/broker.ts';
import { decodeGenesis } from '../../src/record/control.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-log.ts';
import { BY_KEY, CODECS, TASK, TestFile, beatMessage, plainPipeline } from '../support/raw-stream.ts';
import { rollupRows } from '../support/rollup-rows.ts';

const RAW = rawTopic('t', 'access');
const EPOCHS = epochTopic('t', 'web', 'access');
const MINUTE = 60_000;
const NOW = 1_000 * MINUTE;
const LINES = [0, 1, 2, 3, 4, 5].map((minute) => `${minute * MINUTE} k ${minute}`);
const LENIENT: RollupSpec = { ...BY_KEY, window: { type: 'tumbling', sizeMs: 10 * MINUTE, offsetMs: 0 } };

let store: MemoryStore;
let log: Log;
let rawLog: string;
let file: TestFile;
let writer: Writer;

beforeEach(async () => {
  store = new MemoryStore({ clock: new ManualClock() });
  log = store.open();
  await log.ensureTopics([RAW, EPOCHS].map((topic) => ({ topic, partitions: 1, messageBytesMax: 1024 * 1024 })));
  rawLog = decodeGenesis(store.partition(RAW, 0).messages[0]!.header).log;
  file = new TestFile('a/1', LINES);
  file.readAtMs = NOW;
  writer = new Writer(plainPipeline());
  await raw(beatMessage(NOW, [file.report('announced')], { log: rawLog, isFull: true }));
  for (const line of [0, 1, 2]) await raw(file.block(file.at(line), file.at(line + 1)));
});

async function raw(...messages: OutgoingMessage[]): Promise<void> {
  await log.append(RAW, 0, messages);
}

/** A task by hand: takes raw up to its end and appends epochs, without reading them back. */
class Writer {
  readonly state: TaskState;
  #id = decodeGenesis(store.partition(EPOCHS, 0).messages[0]!.header).log;
  #n = 0;
  #to = 0;

  constructor(pipeline: Pipeline) {
    this.state = buildState({
      task: TASK,
      pipeline,
      rawLog,
      rollupSinceMs: {},
      codecs: CODECS,
      aggregates: COMPONENTS.aggregates,
      operators: COMPONENTS.operators,
    });
  }

  async epoch(isSnapshot: boolean, change: Partial<EpochEnvelope> = {}): Promise<Epoch> {
    for (const message of store.partition(RAW, 0).messages)
      if (message.offset >= this.state.to) this.state.accept(message);
    const { to, rawId } = this.state;
    const n = this.#n + 1;
    const range = { id: `epoch${n}`, prev: this.#id, n, from: this.#to, to, rawId };
    const envelope = {
      ...range,
      task: TASK,
      rawLog,
      isSnapshot,
      generation: 1,
      otherLines: {},
      possibleLossBytes: 0,
      possibleDoubleBytes: 0,
      part: 0,
      parts: 1,
      ...change,
    };
    const epoch = { envelope, body: this.state.takeBody(isSnapshot) };
    await log.append(EPOCHS, 0, encodeEpoch(epoch));
    [this.#id, this.#n, this.#to] = [envelope.id, n, to];
    return epoch;
  }
}

function restore(change: Partial<EngineOptions> = {}): Promise<Restored> {
  const options: EngineOptions = { ...ENGINE_DEFAULTS, pipeline: plainPipeline(), topicPrefix: 't', ...change };
  return restoreTask({
    log,
    codecs: CODECS,
    aggregates: COMPONENTS.aggregates,
    operators: COMPONENTS.operators,
    options,
    task: TASK,
    rawTopic: RAW,
    epochTopic: EPOCHS,
  });
}

const refusal = (code: string): unknown => expect.objectContaining({ name: 'OperatingError', code });

describe('a task that begins', () => {
  test('without epochs stands at the first message, and writes a snapshot first', async () => {
    const restored = await restore();
    expect(restored).toMatchObject({ rawLog, isSwitch: true, epochs: 0, snapshots: [], rawEnd: 5 });
    expect([restored.state.to, restored.state.marks.historyFrom, restored.walk.chain?.n]).toEqual([0, null, 0]);
  });

  test('with epochs has the state their writer had', async () => {
    await writer.epoch(true);
    await raw(file.block(file.at(3), file.at(4)));
    await writer.epoch(false);
    await raw(beatMessage(NOW, [file.report('caught_up', file.at(4), { quietSinceMs: NOW - 7 })], { log: rawLog }));
    await raw(file.block(file.at(4), file.at(5)));
    await writer.epoch(false);
    const restored = await restore();
    expect(restored).toMatchObject({ isSwitch: false, epochs: 3, snapshots: [1] });
    expect([restored.state.to, restored.walk.chain]).toEqual([8, { id: 'epoch3', n: 3, to: 8 }]);
    expect(restored.state.takeBody(true)).toEqual(writer.state.takeBody(true));
    expect(restored.state.hasDecisions).toBe(false);
    const sizes = store.partition(EPOCHS, 0).messages.map((message) => message.value.length);
    expect([restored.snapshotBytes, restored.bytesSinceSnapshot]).toEqual([sizes[1], sizes[2]! + sizes[3]!]);
  });

  test('begins its fold of bodies at the last snapshot that counts', async () => {
    await writer.epoch(true);
    await writer.epoch(true);
    const zombie = { prev: 'epoch1', id: 'zombie', n: 2, from: 5 };
    await log.append(
      EPOCHS,
      0,
      encodeEpoch({
        ...(await writer.epoch(true)),
        envelope: { ...(await writer.epoch(false)).envelope, ...zombie, isSnapshot: true },
      }),
    );
    const restored = await restore();
    expect(restored).toMatchObject({ epochs: 4, snapshots: [1, 2, 3] });
    expect([restored.walk.chain?.id, restored.walk.uncounted]).toEqual(['epoch4', 1]);
    expect(restored.state.takeBody(true)).toEqual(writer.state.takeBody(true));
  });

  test('goes on in a trimmed epoch partition', async () => {
    await writer.epoch(true);
    await writer.epoch(true);
    await raw(file.block(file.at(3), file.at(4)));
    await writer.epoch(false);
    await log.trim(EPOCHS, 0, 2);
    const restored = await restore();
    expect([restored.snapshots, restored.walk.chain?.n]).toEqual([[2], 3]);
    expect(restored.state.takeBody(true)).toEqual(writer.state.takeBody(true));
  });
});

describe('trimmed while it is read, by whoever ran before,', () => {
  /** Appends and trims before the `nth` batch that is read of a topic. */
  function trimBefore(topic: string, nth: number, before: number, messages: readonly OutgoingMessage[] = []): void {
    let batches = 0;
    store.beforeBatch = (read) => {
      if (read !== topic || ++batches !== nth) return;
      void store.append(topic, 0, messages);
      store.trim(topic, 0, before);
    };
  }

  // The first reading is of envelopes, the second of bodies: each is one batch, and finds the end at a second.
  test.each([
    ['before the first envelope', 1],
    ['between envelopes and bodies', 3],
  ])('it begins again with what is there: %s', async (_, nth) => {
    await writer.epoch(true);
    await raw(file.block(file.at(3), file.at(4)));
    for (let i = 0; i < 2; i++) await writer.epoch(true);
    const meanwhile = store.partition(EPOCHS, 0).messages.slice(-2);
    store.loseTail(EPOCHS, 0, 2);
    trimBefore(EPOCHS, nth, 2, meanwhile);
    const restored = await restore();
    expect([restored.snapshots, restored.epochs, restored.walk.chain?.n]).toEqual([[2, 3], 2, 3]);
    expect(restored.state.takeBody(true)).toEqual(writer.state.takeBody(true));
  });

  test('a new pipeline on its raw log too', async () => {
    await raw(beatMessage(NOW, [file.report('reading', file.at(3))], { log: rawLog, isFull: true }));
    trimBefore(RAW, 1, 3);
    const restored = await restore();
    expect([restored.state.to, restored.state.marks.historyFrom, restored.rawLog]).toEqual([3, 3, rawLog]);
  });
});

describe('an epoch partition that is not whole', () => {
  test('because everything in it is gone is no new one', async () => {
    await writer.epoch(true);
    await log.trim(EPOCHS, 0, 2);
    await expect(restore()).rejects.toEqual(refusal('LOG_DAMAGED'));
  });

  test('because it ends within the snapshot that it begins with is no new one', async () => {
    await writer.epoch(true);
    const { envelope, body } = await writer.epoch(true);
    store.loseTail(EPOCHS, 0, 1);
    const [part] = encodeEpoch({ envelope, body }, 50);
    expect(part!.kind).toBe('part');
    const offset = await log.append(EPOCHS, 0, [part!]);
    await log.trim(EPOCHS, 0, offset);
    await expect(restore()).rejects.toEqual(refusal('LOG_DAMAGED'));
  });
});

describe('a new pipeline on raw that was trimmed', () => {
  test('says where its history begins, and knows the log by the first beat that is whole', async () => {
    await raw(
      beatMessage(NOW, [], { log: rawLog }),
      beatMessage(NOW, [file.report('reading', file.at(3))], { log: rawLog, isFull: true }),
    );
    await log.trim(RAW, 0, 3);
    store.damage(RAW, 0, 5);
    const { state, rawLog: found } = await restore();
    expect([state.to, state.marks.historyFrom, found]).toEqual([3, 3, rawLog]);
    for (const message of store.partition(RAW, 0).messages) state.accept(message);
    const { historyFrom, sources, ledger } = state.takeBody(true);
    expect([historyFrom, sources.map((mark) => mark.position), ledger]).toEqual([3, [file.at(3)], []]);
  });

  test('without a beat cannot know which log it is', async () => {
    await log.trim(RAW, 0, 3);
    await expect(restore()).rejects.toEqual(refusal('LOG_DAMAGED'));
  });

  test('whose genesis is damaged takes the log’s id from the first beat', async () => {
    store.damage(RAW, 0, 0);
    expect((await restore()).rawLog).toBe(rawLog);
  });
});

describe('raw must be what the epochs were made from:', () => {
  beforeEach(async () => {
    await writer.epoch(true);
  });

  test('it ends before them', async () => {
    store.loseTail(RAW, 0, 1);
    await expect(restore()).rejects.toEqual(refusal('LOG_FORKED'));
  });

  test('another message lies where the last one was', async () => {
    store.loseTail(RAW, 0, 1);
    await raw(file.block(file.at(2), file.at(3), { readAtMs: NOW + 1 }));
    await expect(restore()).rejects.toEqual(refusal('LOG_FORKED'));
  });

  test('it was trimmed past them', async () => {
    await raw(beatMessage(NOW, [], { log: rawLog }), beatMessage(NOW, [], { log: rawLog }));
    await log.trim(RAW, 0, 6);
    await expect(restore()).rejects.toEqual(refusal('LOG_TRIMMED'));
  });

  test('trimmed to just where they end is enough', async () => {
    await raw(beatMessage(NOW, [], { log: rawLog }));
    await log.trim(RAW, 0, 5);
    expect((await restore()).state.to).toBe(5);
  });
});

describe('another pipeline', () => {
  const two = (other: RollupSpec): Pipeline => plainPipeline({ traffic: BY_KEY, other });

  /** What a task writes that has switched. */
  async function appendSwitch({ state }: Restored): Promise<void> {
    const body = state.takeBody(true);
    const before = (await writer.epoch(false)).envelope;
    const { id: prev, n, to: from } = before;
    const envelope = { ...before, id: 'switch', prev, n: n + 1, from, isSnapshot: true, generation: 2 };
    await log.append(EPOCHS, 0, encodeEpoch({ envelope, body }));
  }

  test('gives the open windows of a table that leaves, once', async () => {
    writer = new Writer(two({ ...BY_KEY, window: { type: 'sliding', sizeMs: 4 * MINUTE, slideMs: 2 * MINUTE } }));
    await writer.epoch(true);
    const { state } = await restore({ pipeline: plainPipeline(), maySwitch: true });
    const left = () => state.takeBody(true).upserts.filter(({ table }) => table === 'other');
    expect(left().map((rows) => rollupRows(rows, 1).lines)).toEqual([Float64Array.of(3, 1)]);
    expect(left()).toEqual([]);
  });

  test('that only reads otherwise is the same', async () => {
    await writer.epoch(true);
    const turned = Object.fromEntries(Object.entries(plainPipeline()).reverse()) as unknown as Pipeline;
    expect(await restore({ pipeline: turned })).toMatchObject({ isSwitch: false });
  });

  test('needs the right to switch', async () => {
    await writer.epoch(true);
    await expect(restore({ pipeline: two(LENIENT) })).rejects.toEqual(refusal('PIPELINE_DIFFERS'));
    expect(await restore({ pipeline: two(LENIENT), maySwitch: true })).toMatchObject({ isSwitch: true });
  });

  test('with a rollup that changed under its name is refused, in one line with the way out', async () => {
    await writer.epoch(true);
    const changed = plainPipeline({ traffic: { ...BY_KEY, allowedLatenessMs: 1 } });
    await expect(restore({ pipeline: changed, maySwitch: true })).rejects.toEqual(
      expect.objectContaining({ code: 'ROLLUP_CHANGED', exitCode: 3, hint: expect.stringContaining('traffic_2') }),
    );
  });

  test('begins an added rollup with the first window after everything that was seen', async () => {
    await writer.epoch(true);
    const { state } = await restore({ pipeline: two(LENIENT), maySwitch: true });
    expect([state.generation, state.rollupSinceMs]).toEqual([2, { other: 10 * MINUTE }]);
    const late = new TestFile('a/1', [...LINES, `${11 * MINUTE} k 1`]);
    const message = {
      ...late.block(late.at(3)),
      header: late.block(late.at(3), late.end, { identity: file.identity }).header,
    };
    state.accept({ ...message, offset: 5, appendedAtMs: 1 });
    const { ledger, upserts, rollupSinceMs, fingerprints } = state.takeBody(true);
    const fates = ledger
      .filter(({ consumer }) => consumer === 'other')
      .map(({ fate, reason, sum }) => [fate, reason, sum.lines]);
    expect(fates).toEqual([
      ['in', '', 4],
      ['rolled_up', '', 1],
      ['placed', '', 1],
      ['filtered', 'before_rollup', 3],
    ]);
    const rows = upserts.find(({ table }) => table === 'other');
    expect(rollupRows(rows!, 1).windowStartMs).toEqual(Float64Array.of(10 * MINUTE));
    expect([rollupSinceMs, Object.keys(fingerprints)]).toEqual([{ other: 10 * MINUTE }, ['traffic', 'other']]);
  });

  test('begins an added table that reads another one behind what that may lack: its first row is whole', async () => {
    await writer.epoch(true);
    const visits: RollupSpec = { ...BY_KEY, window: { type: 'session', gapMs: 3 * MINUTE, lengthMsMax: null } };
    const sum = { name: 'lines', aggregate: 'sum', field: 'lines', fieldType: 'long' } as const;
    const rows: RollupSpec = { ...LENIENT, from: 'traffic', by: [], measures: [sum] };
    const starts: RollupSpec = { ...rows, from: 'visits', window: BY_KEY.window, measures: [] };
    const pipeline = plainPipeline({ starts, visits, rows, traffic: BY_KEY });
    const { state } = await restore({ pipeline, maySwitch: true });
    // Lines up to 2:00 were seen: a session that is not whole may end at 5:00 with the last of its gap.
    expect(state.rollupSinceMs).toEqual({ visits: 2 * MINUTE + 1, starts: 6 * MINUTE, rows: 10 * MINUTE });
    const minutes = Array.from({ length: 16 }, (_, i) => i + 6);
    const later = new TestFile('a/1', [...LINES, ...minutes.map((minute) => `${minute * MINUTE} k 1`)]);
    later.readAtMs = NOW;
    const { header, value } = later.block(later.at(3), later.end, { identity: file.identity });
    state.accept({ kind: 'block', header, value, offset: 5, appendedAtMs: 1 });
    const { upserts } = state.takeBody(true);
    const first = rollupRows(
      upserts.find(({ table }) => table === 'rows')!,
      0,
    );
    expect([first.windowStartMs[0], first.lines[0], first.accumulators[0]![0]]).toEqual([10 * MINUTE, 10, 10]);
  });

  test('remembers where an added rollup began, through epochs and later switches', async () => {
    await writer.epoch(true);
    await appendSwitch(await restore({ pipeline: two(LENIENT), maySwitch: true }));
    const again = await restore({ pipeline: two(LENIENT) });
    expect([again.isSwitch, again.state.rollupSinceMs, again.state.generation]).toEqual([
      false,
      { other: 10 * MINUTE },
      2,
    ]);
    const third = plainPipeline({ traffic: BY_KEY, other: LENIENT, third: LENIENT });
    const more = await restore({ pipeline: third, maySwitch: true });
    expect([more.state.rollupSinceMs, more.state.generation]).toEqual([{ other: 10 * MINUTE, third: 10 * MINUTE }, 3]);
  });

  test('without a rollup goes on without it, and keeps what its ledger says', async () => {
    await writer.epoch(true);
    const { state } = await restore({ pipeline: plainPipeline({ other: LENIENT }), maySwitch: true });
    const { upserts, ledger } = state.takeBody(true);
    expect([upserts, new Set(ledger.map(({ consumer }) => consumer))]).toEqual([[], new Set(['traffic'])]);
  });

  test('takes a rollup that was removed back as it was, and as nothing else', async () => {
    await writer.epoch(true);
    await appendSwitch(await restore({ pipeline: plainPipeline({ other: LENIENT }), maySwitch: true }));
    const back = await restore({ pipeline: two(LENIENT), maySwitch: true });
    expect([back.state.generation, back.state.rollupSinceMs]).toEqual([3, { traffic: 3 * MINUTE, other: 10 * MINUTE }]);
    const changed = plainPipeline({ traffic: { ...BY_KEY, allowedLatenessMs: 1 }, other: LENIENT });
    await expect(restore({ pipeline: changed, maySwitch: true })).rejects.toEqual(refusal('ROLLUP_CHANGED'));
    // A stream of its own has nothing to do with it: the table is the same.
    const moved = plainPipeline({ traffic: { ...BY_KEY, from: 'elsewhere' }, other: LENIENT });
    await expect(restore({ pipeline: moved, maySwitch: true })).rejects.toEqual(refusal('ROLLUP_CHANGED'));
  });

  test('before the first line adds a rollup from the beginning', async () => {
    store.loseTail(RAW, 0, 3);
    await writer.epoch(true);
    expect((await restore({ pipeline: two(LENIENT), maySwitch: true })).state.rollupSinceMs).toEqual({});
  });
});
