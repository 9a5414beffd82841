import { afterEach, describe, expect, test } from '@jest/globals';
import { OperatingError } from '../../src/lib/errors.ts';
import type { Message, OutgoingMessage } from '../../src/broker/broker.ts';
import { encodeEpoch } from '../../src/epoch/codec.ts';
import type { Epoch } from '../../src/epoch/epoch.ts';
import { type ChainEnd, type CountedEpoch, Fold, type FoldOptions } from '../../src/epoch/fold.ts';
import { setMutant } from '../../src/lib/mutant.ts';
import { encodeGenesis } from '../../src/record/control.ts';
import { Random } from '../support/random.ts';
import { bodyOf, pipelineOf } from '../support/epochs.ts';

const LOG = 'f'.repeat(32);
const GENESIS: OutgoingMessage = { kind: 'genesis', header: encodeGenesis({ log: LOG }), value: new Uint8Array(0) };

afterEach(() => setMutant(undefined));

/** A writer of epochs that believes in `state`. */
function writer(who: string, state: ChainEnd = { id: LOG, n: 0, to: 0 }) {
  let end = state;
  return {
    get end(): ChainEnd {
      return end;
    },
    /** Its next epoch, as it would append it; `parts` messages. */
    next({ parts = 1, isSnapshot = false } = {}): OutgoingMessage[] {
      const epoch = epochAfter(end, `${who}${end.n + 1}`, isSnapshot);
      end = { id: epoch.envelope.id, n: epoch.envelope.n, to: epoch.envelope.to };
      const size = encodeEpoch(epoch)[0]!.value.length;
      const messages = encodeEpoch(epoch, Math.ceil(size / parts));
      expect(messages.length).toBe(parts);
      return messages;
    },
  };
}

function epochAfter(end: ChainEnd, id: string, isSnapshot: boolean): Epoch {
  const task = { pipeline: 'web', stream: 'access', partition: 0 };
  const range = { prev: end.id, n: end.n + 1, from: end.to, to: end.to + 10 };
  const rest = {
    task,
    rawLog: 'raw',
    rawId: '',
    isSnapshot,
    generation: 1,
    otherLines: {},
    possibleLossBytes: 0,
    possibleDoubleBytes: 0,
    part: 0,
    parts: 1,
  };
  return {
    envelope: { id, ...range, ...rest },
    body: bodyOf({ watermarkMs: end.n + 1, pipeline: isSnapshot ? pipelineOf() : null }),
  };
}

function logOf(messages: readonly OutgoingMessage[], start = 0): Message[] {
  return messages.map((message, i) => ({ ...message, offset: start + i, appendedAtMs: 0 }));
}

function foldAll(
  messages: readonly Message[],
  options: Partial<FoldOptions> = {},
): { fold: Fold; counted: CountedEpoch[] } {
  const fold = new Fold({ name: 'epochs/0', hasBodies: true, offset: messages[0]?.offset ?? 0, ...options });
  return { fold, counted: messages.flatMap((message) => fold.push(message) ?? []) };
}

const ids = (counted: readonly CountedEpoch[]): string[] => counted.map(({ envelope }) => envelope.id);

describe('an epoch counts', () => {
  test('if its prev is the last that counted, from the genesis on', () => {
    const a = writer('a');
    const { fold, counted } = foldAll(logOf([GENESIS, ...a.next(), ...a.next(), ...a.next()]));
    expect(ids(counted)).toEqual(['a1', 'a2', 'a3']);
    expect(counted.map(({ body, firstOffset, offset }) => [body?.watermarkMs, firstOffset, offset])).toEqual([
      [1, 1, 1],
      [2, 2, 2],
      [3, 3, 3],
    ]);
    expect([fold.chain, fold.logId, fold.uncounted, fold.nextOffset]).toEqual([{ id: 'a3', n: 3, to: 30 }, LOG, 0, 4]);
  });

  test('if it is the first in log order: a zombie that goes on writing its own chain never counts again', () => {
    const a = writer('a');
    const first = a.next();
    const b = writer('b', a.end);
    const zombie = [a.next(), a.next(), a.next()];
    const { fold, counted } = foldAll(
      logOf([GENESIS, ...first, ...b.next(), ...zombie[0]!, ...zombie[1]!, ...b.next(), ...zombie[2]!]),
    );
    expect(ids(counted)).toEqual(['a1', 'b2', 'b3']);
    expect(fold.uncounted).toBe(3);
  });

  test('once, however often it is written', () => {
    const a = writer('a');
    const [one, two] = [a.next(), a.next({ parts: 3 })];
    const { counted } = foldAll(logOf([GENESIS, ...one, ...one, ...two, ...two, ...one, ...two]));
    expect(ids(counted)).toEqual(['a1', 'a2']);
  });

  test('of another log never', () => {
    const other = writer('x', { id: 'e'.repeat(32), n: 0, to: 0 });
    expect(foldAll(logOf([GENESIS, ...other.next()])).counted).toEqual([]);
  });

  test('a second genesis says nothing', () => {
    const a = writer('a');
    const second = { ...GENESIS, header: encodeGenesis({ log: 'e'.repeat(32) }) };
    const { fold, counted } = foldAll(logOf([GENESIS, second, ...a.next(), second, ...a.next()]));
    expect([ids(counted), fold.logId]).toEqual([['a1', 'a2'], LOG]);
  });

  test('the mutant that lets every epoch count is seen', () => {
    setMutant('epoch.every_counts');
    const [a, b] = [writer('a'), writer('b')];
    expect(ids(foldAll(logOf([GENESIS, ...a.next(), ...b.next()])).counted)).toEqual(['a1', 'b1']);
  });

  test('a chain that contradicts itself is damage', () => {
    const a = writer('a');
    const one = a.next();
    for (const state of [
      { ...a.end, to: 11 },
      { ...a.end, n: 5 },
    ]) {
      expect(() => foldAll(logOf([GENESIS, ...one, ...writer('x', state).next()]))).toThrow(OperatingError);
    }
  });

  test('whatever writers append, every reader counts the same single chain', () => {
    for (let seed = 0; seed < 40; seed++) {
      const random = new Random(seed);
      const messages = zombies(random);
      const log = logOf(messages);
      const { counted } = foldAll(log);
      expect(ids(counted)).toEqual(chainOf(log));
      // One that follows envelopes only, and one that goes on from the cursor of another, agree.
      expect(ids(foldAll(log, { hasBodies: false }).counted)).toEqual(ids(counted));
      const at = counted[random.below(Math.max(1, counted.length))];
      if (at === undefined) continue;
      const chain = { id: at.envelope.id, n: at.envelope.n, to: at.envelope.to };
      const rest = foldAll(log.slice(at.offset + 1), { offset: at.offset + 1, chain }).counted;
      expect(ids(rest)).toEqual(ids(counted).slice(ids(counted).indexOf(at.envelope.id) + 1));
    }
  });
});

describe('an epoch in parts', () => {
  test('begins at its first part and counts with its last', () => {
    const a = writer('a');
    const { counted } = foldAll(logOf([GENESIS, ...a.next(), ...a.next({ parts: 3 })]));
    expect(counted.map(({ firstOffset, offset, body }) => [firstOffset, offset, body?.watermarkMs])).toEqual([
      [1, 1, 1],
      [2, 4, 2],
    ]);
    expect(counted[1]!.sizeBytes).toBe(a.next({ parts: 3 }).reduce((sum, message) => sum + message.value.length, 0));
  });

  test('survives the parts of another writer between its own; the first that is whole counts', () => {
    const [a, b] = [writer('a').next({ parts: 3 }), writer('b').next({ parts: 2 })];
    const { counted, fold } = foldAll(logOf([GENESIS, a[0]!, b[0]!, a[1]!, a[1]!, a[0]!, a[2]!, b[1]!]));
    expect(ids(counted)).toEqual(['a1']);
    expect(counted[0]!.body?.watermarkMs).toBe(1);
    expect(fold.uncounted).toBe(1);
  });

  test('of which one is missing never counts', () => {
    const parts = writer('a').next({ parts: 3 });
    for (let missing = 0; missing < 3; missing++) {
      const rest = parts.filter((_, part) => part !== missing);
      expect(foldAll(logOf([GENESIS, ...rest])).counted).toEqual([]);
    }
    for (const order of [
      [1, 0, 2],
      [1, 1, 2],
      [0, 0, 2],
    ]) {
      expect(foldAll(logOf([GENESIS, ...order.map((part) => parts[part]!)])).counted).toEqual([]);
    }
  });
});

describe('a trimmed partition', () => {
  test('begins with a snapshot, which counts by definition', () => {
    const a = writer('a', { id: 'a41', n: 41, to: 410 });
    const messages = [...a.next({ isSnapshot: true, parts: 2 }), ...a.next()];
    const { counted, fold } = foldAll(logOf(messages, 1000));
    expect(ids(counted)).toEqual(['a42', 'a43']);
    expect([counted[0]!.firstOffset, fold.chain, fold.logId]).toEqual([1000, { id: 'a43', n: 43, to: 430 }, undefined]);
  });

  test('that begins anywhere else is a bug of who trimmed it', () => {
    const a = writer('a', { id: 'a41', n: 41, to: 410 });
    const snapshot = a.next({ isSnapshot: true, parts: 2 });
    expect(() => foldAll(logOf([snapshot[1]!], 1001))).toThrow(OperatingError);
    expect(() => foldAll(logOf(a.next(), 1002))).toThrow(OperatingError);
  });
});

describe('a reader stops', () => {
  const a = writer('a');
  const log = logOf([GENESIS, ...a.next(), ...a.next()]);
  const brokenBody = { ...log[2]!, value: log[2]!.value.slice(1) };
  const brokenHeader = { ...log[2]!, header: log[2]!.header.slice(0, 9) };

  test.each<[string, Message[], string]>([
    ['at a hole', [log[0]!, log[2]!], 'LOG_HOLE'],
    ['at a message that comes again', [log[0]!, log[1]!, log[1]!], 'LOG_HOLE'],
    [
      'at what the log calls damaged',
      [log[0]!, { ...log[1]!, damaged: 'checksum', header: new Uint8Array(0) }],
      'LOG_DAMAGED',
    ],
    ['at a damaged genesis', [{ ...log[0]!, header: new Uint8Array(1) }], 'LOG_DAMAGED'],
    ['at a damaged header', [log[0]!, log[1]!, brokenHeader], 'LOG_DAMAGED'],
    ['at a damaged body', [log[0]!, log[1]!, brokenBody], 'LOG_DAMAGED'],
    [
      'at a newer format',
      [log[0]!, { ...log[1]!, header: Uint8Array.from(log[1]!.header).fill(2, 1, 2) }],
      'FORMAT_NEWER',
    ],
  ])('%s', (_what, messages, code) => {
    expect(() => foldAll(messages)).toThrow(expect.objectContaining({ name: 'OperatingError', code }));
  });

  test('and names the partition and the place', () => {
    expect(() => foldAll([log[0]!, log[1]!, brokenBody])).toThrow(/^epochs\/0: .* at 2 is damaged: checksum/);
  });
});

/** Writers that fold, write, write again, die between parts, and go on as zombies from what they last knew. */
function zombies(random: Random): OutgoingMessage[] {
  const messages: OutgoingMessage[] = [GENESIS];
  let writers = [writer('w0.'), writer('w1.')];
  for (let step = 0; step < 30; step++) {
    const at = random.below(writers.length);
    if (random.chance(0.3)) {
      const { fold } = foldAll(logOf(messages), { hasBodies: false });
      writers = writers.map((old, i) => (i === at ? writer(`w${step}x${i}.`, fold.chain) : old));
    }
    const epoch = writers[at]!.next({ parts: 1 + random.below(3) });
    const written = random.chance(0.2) ? epoch.slice(0, random.below(epoch.length)) : epoch;
    for (const message of written) {
      messages.push(message);
      if (random.chance(0.1)) messages.push(message);
      if (random.chance(0.15)) messages.push(...writers[1 - at]!.next());
    }
  }
  return messages;
}

/** The rule as it is written down, over whole epochs: the oracle of the fold. */
function chainOf(log: readonly Message[]): string[] {
  const chain: string[] = [];
  let last = LOG;
  let seen = new Map<string, number>();
  for (const message of log) {
    if (message.kind === 'genesis') continue;
    const { id, prev, part, parts } = JSON.parse(
      Buffer.from(message.header)
        .toString('utf8')
        .replace(/^[^{]*/, ''),
    ) as Epoch['envelope'];
    if (prev !== last) continue;
    if (part !== (seen.get(id) ?? 0)) continue;
    seen.set(id, part + 1);
    if (part + 1 < parts) continue;
    chain.push(id);
    last = id;
    seen = new Map();
  }
  return chain;
}
