// Agents with files, as raw messages in many disguises, and what a task and its epochs make of them in the end.
import fc from 'fast-check';
import type { OutgoingMessage } from '../../src/broker/broker.ts';
import type { TaskState } from '../../src/engine/state.ts';
import { decodeBody, encodeBody } from '../../src/epoch/codec.ts';
import type { DeadLetter, EpochBody, EpochEnvelope, LateLine, LedgerEntry, SourceMark } from '../../src/epoch/epoch.ts';
import type { RollupSpec } from '../../src/epoch/pipeline.ts';
import { agentOf } from '../../src/record/source.ts';
import { namedRows } from './operator-runs.ts';
import type { Random } from './random.ts';
import { BY_KEY, Feed, RAW_LOG, TASK, TestFile, beatMessage, plainPipeline, plainState } from './raw-stream.ts';

export const NOW = 1_000_000_000;
export const MINUTE = 60_000;
export const ROLLUPS: Record<string, RollupSpec> = {
  traffic: BY_KEY,
  lenient: {
    ...BY_KEY,
    window: { type: 'tumbling', sizeMs: 10_000, offsetMs: 3_000 },
    allowedLatenessMs: 20_000,
    rowsMax: 1,
  },
};
export const PIPELINE = plainPipeline(ROLLUPS, { outOfOrdernessMs: 2_000, maxFutureMs: MINUTE });

/** What an agent does: reads some lines of a file, or looks around and says so. */
type Act =
  | { readonly type: 'read'; readonly file: number; readonly lines: number }
  | { readonly type: 'close' | 'forget'; readonly file: number }
  | { readonly type: 'beat'; readonly agent: string; readonly passedMs: number };

interface World {
  readonly files: readonly { readonly source: string; readonly lines: readonly string[] }[];
  readonly acts: readonly Act[];
}

const lineText = fc.oneof(
  {
    weight: 12,
    arbitrary: fc
      .tuple(fc.integer({ min: -90_000, max: 0 }), fc.constantFrom('a', 'b', '-', 'é'))
      .map(([ms, key]) => `${NOW + ms} ${key} ${-ms}`),
  },
  { weight: 1, arbitrary: fc.constantFrom('', 'no line', `${NOW + 2 * MINUTE} a 1`, 'NaN b 2', '-5 a 3') },
);

export const worlds: fc.Arbitrary<World> = fc.record({
  files: fc
    .tuple(
      ...['a/1', 'a/2', 'b/1'].map((source) =>
        fc.array(lineText, { minLength: 1, maxLength: 25 }).map((lines) => ({ source, lines })),
      ),
    )
    .map((files) => files),
  acts: fc.array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          type: fc.constant('read' as const),
          file: fc.nat({ max: 2 }),
          lines: fc.integer({ min: 1, max: 12 }),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ type: fc.constantFrom('close' as const, 'forget' as const), file: fc.nat({ max: 2 }) }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          type: fc.constant('beat' as const),
          agent: fc.constantFrom('a', 'b'),
          passedMs: fc.nat({ max: 20_000 }),
        }),
      },
    ),
    { minLength: 1, maxLength: 40 },
  ),
});

/**
 * The raw messages of a world. With `random`, an agent that sends again what it sent, in other blocks, and a log that takes it twice; damaged and
 * refused messages lie between. Nothing of that may have an effect.
 */
export function messagesOf(world: World, random?: Random): OutgoingMessage[] {
  const files = world.files.map(({ source, lines }) => Object.assign(new TestFile(source, lines), { readAtMs: NOW }));
  const positions = files.map(() => 0);
  const states = files.map(() => 'open');
  const messages: OutgoingMessage[] = [];
  const clocks = { a: NOW, b: NOW };
  const beat = (agent: 'a' | 'b'): void => {
    const reports = files.flatMap((file, i) => {
      if (agentOf(file.source) !== agent || states[i] === 'gone') return [];
      const position = file.at(positions[i]!);
      if (states[i] === 'forgotten') states[i] = 'gone';
      const state =
        states[i] === 'gone'
          ? 'forgotten'
          : states[i] === 'closed'
            ? 'closed'
            : position === file.end
              ? 'caught_up'
              : position === 0
                ? 'announced'
                : 'reading';
      return [file.report(state, position)];
    });
    const message = beatMessage(clocks[agent], reports, { agent });
    messages.push(message, ...(random?.chance(0.2) ? [message] : []));
  };
  const read = (i: number, count: number): void => {
    const file = files[i]!;
    const until = Math.min(world.files[i]!.lines.length, positions[i]! + count);
    while (positions[i]! < until) {
      const to = random === undefined ? until : positions[i]! + 1 + random.below(until - positions[i]!);
      const from = random?.chance(0.3) ? random.below(positions[i]! + 1) : positions[i]!;
      messages.push(file.block(file.at(from), file.at(to)));
      positions[i] = to;
      if (random !== undefined) messages.push(...noise(random, file, to));
    }
  };
  beat('a');
  beat('b');
  for (const act of world.acts) {
    if (act.type === 'beat') {
      const agent = act.agent as 'a' | 'b';
      clocks[agent] += act.passedMs;
      beat(agent);
    } else if (act.type === 'read') {
      if (states[act.file] === 'open') read(act.file, act.lines);
    } else if (states[act.file] !== 'gone') {
      states[act.file] = act.type === 'forget' && states[act.file] === 'closed' ? 'forgotten' : 'closed';
    }
  }
  return messages;
}

/** What must have no effect behind the block that ends at line `to`. */
function noise(random: Random, file: TestFile, to: number): OutgoingMessage[] {
  const from = random.below(to);
  const end = from + 1 + random.below(to - from);
  const old = file.block(file.at(from), file.at(end));
  const cloned = file.block(file.at(0), file.end, { identity: 'another file' });
  const torn: OutgoingMessage = { ...old, header: old.header.subarray(0, 20) };
  const foreign = file.block(file.at(to), file.end, { tail: 'another' });
  return [old, cloned, torn, ...(to < file.at(to) && file.at(to) < file.end ? [foreign] : [])].filter(() =>
    random.chance(0.2),
  );
}

interface Outcome {
  readonly rows: Map<string, string>;
  readonly ledger: LedgerEntry[];
  readonly late: LateLine[];
  readonly deadLetters: DeadLetter[];
  readonly watermarkMs: number;
  /** Rollup → lines in rows of other keys. */
  readonly otherLines: Readonly<Record<string, number>>;
  readonly sources: Partial<SourceMark>[];
}

/** Takes the messages through a task and what its epochs give to a sink; with `random`, through many checkpoints and lives of the task. */
export function outcomeOf(messages: readonly OutgoingMessage[], random?: Random): Outcome {
  let feed = new Feed(plainState(PIPELINE));
  let held: EpochBody[] = [];
  const outcome: Outcome = {
    rows: new Map(),
    ledger: [],
    late: [],
    deadLetters: [],
    watermarkMs: 0,
    otherLines: {},
    sources: [],
  };
  const ledger = new Map<string, LedgerEntry>();
  const checkpoint = (isSnapshot: boolean): EpochBody => {
    const body = decodeBody(encodeBody(feed.state.takeBody(isSnapshot)));
    held = isSnapshot ? [body] : [...held, body];
    for (const rows of body.upserts) {
      for (const [name, text] of namedRows(rows, BY_KEY.by.length)) outcome.rows.set(`${rows.table} ${name}`, text);
    }
    for (const entry of body.ledger)
      ledger.set(`${entry.source} ${entry.consumer} ${entry.fate} ${entry.reason}`, entry);
    outcome.late.push(...body.late);
    outcome.deadLetters.push(...body.deadLetters);
    return body;
  };
  checkpoint(true);
  for (const message of messages) {
    feed.send(message);
    if (random === undefined || !random.chance(0.2)) continue;
    checkpoint(random.chance(0.2));
    if (!random.chance(0.5)) continue;
    const next = new Feed(plainState(PIPELINE));
    for (const body of held) next.state.restore(envelopeAt(feed.state), body);
    next.appendedAtMs = feed.appendedAtMs;
    feed = next;
  }
  const last = checkpoint(true);
  const sources = last.sources
    .filter((mark) => mark.state !== 'forgotten')
    .map(({ source, position, tail, state, eventTimeMsMax }) => ({ source, position, tail, state, eventTimeMsMax }))
    .sort((x, y) => (x.source < y.source ? -1 : 1));
  const entries = [...ledger].filter(([, entry]) => entry.sum.lines > 0).sort(([x], [y]) => (x < y ? -1 : 1));
  return {
    ...outcome,
    // Which rollup looks at a block first is no matter; the order of lines is.
    late: outcome.late.toSorted((x, y) => (x.rollup < y.rollup ? -1 : x.rollup > y.rollup ? 1 : 0)),
    rows: new Map([...outcome.rows].sort(([x], [y]) => (x < y ? -1 : 1))),
    ledger: entries.map(([, entry]) => entry),
    watermarkMs: last.watermarkMs,
    otherLines: feed.state.otherLines.byTable,
    sources,
  };
}

export function envelopeAt({ to, rawId, otherLines }: TaskState): EpochEnvelope {
  const rest = {
    n: 1,
    from: 0,
    isSnapshot: false,
    generation: 1,
    otherLines: otherLines.byTable,
    possibleLossBytes: 0,
    possibleDoubleBytes: 0,
    part: 0,
    parts: 1,
  };
  return { id: '', prev: '', task: TASK, rawLog: RAW_LOG, to, rawId, ...rest };
}
