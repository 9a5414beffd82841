import { describe, expect, test } from '@jest/globals';
import type { Message } from '../../src/broker/broker.ts';
import { COMPONENTS } from '../../src/components.ts';
import { buildState } from '../../src/engine/build-state.ts';
import type { TransformSpec } from '../../src/epoch/pipeline.ts';
import { LINE_VERDICTS } from '../../src/record/batch.ts';
import { addLine, emptySum } from '../../src/record/line-id.ts';
import { streamPlan } from '../../src/transforms/stream-plan.ts';
import { blockOf } from '../support/decoded.ts';
import { plain } from '../support/plain-codec.ts';
import { BY_KEY, RAW_LOG, TASK, TestFile, beatMessage, plainPipeline } from '../support/raw-stream.ts';
import { sieve } from '../support/sieve.ts';

const LINE_COMPONENTS = { codecs: { plain }, transforms: { ...COMPONENTS.transforms, sieve } };
const KEY = { name: 'key', type: 'keyword' } as const;
const EVENT_TIME = plainPipeline().streams['access']!.eventTime;
const sieveOf = (field: string, least: number): TransformSpec => ({ type: 'sieve', field, least, most: 100 });
const planOf = (transforms: readonly TransformSpec[]) =>
  streamPlan({ codec: { type: 'plain' }, transforms }, LINE_COMPONENTS);

describe('a plan', () => {
  test('says what became of the fields of the codec', () => {
    const plan = planOf([
      { type: 'rename', fields: { value: 'size' } },
      { type: 'drop', fields: ['key'] },
    ]);
    expect(plan.fields).toEqual({ time: 'date', size: 'long' });
    expect(plan.originOf('size')).toBe('value');
    expect(['value', 'key', 'time', 'size'].map((field) => plan.nameOf(field))).toEqual([
      'size',
      null,
      'time',
      undefined,
    ]);
  });

  test('decodes what transforms look at behind what is wanted, once, whatever its name is then', () => {
    const transforms = [
      sieveOf('value', 10),
      { type: 'rename', fields: { value: 'size' } },
      sieveOf('size', 20),
      { type: 'drop', fields: ['size'] },
    ];
    const { decode, transform, batch, verdicts } = planOf(transforms).reader([KEY], EVENT_TIME);
    expect(batch.columns.map(({ kind }) => kind)).toEqual(['string', 'number']);
    decode(blockOf(['1 a 5', '1 b 15', '1 c 50', 'bad', '1 d 500']), batch);
    transform(batch);
    const said = [...batch.verdict.subarray(0, batch.length)].map((verdict) => verdicts[verdict]!);
    // The first transform that decides has decided.
    expect(said.map(({ fate, reason }) => `${fate} ${reason}`)).toEqual([
      'filtered too_small',
      'filtered too_small',
      'goes_on ',
      'dead_letter malformed',
      'dead_letter too_large',
    ]);
    expect(verdicts.slice(0, LINE_VERDICTS.length)).toEqual(LINE_VERDICTS);
    expect([batch.verdict[0], batch.verdict[1]]).toEqual([LINE_VERDICTS.length, LINE_VERDICTS.length + 2]);
  });

  test('has no column for what a transform does not say it reads', () => {
    const silent = {
      ...sieve,
      shape: (...of: Parameters<typeof sieve.shape>) => ({ ...sieve.shape(...of), reads: [] }),
    };
    const plan = streamPlan(
      { codec: { type: 'plain' }, transforms: [sieveOf('value', 1)] },
      { codecs: { plain }, transforms: { sieve: silent } },
    );
    expect(() => plan.reader([KEY], EVENT_TIME)).toThrow('the sieve does not say that it reads value');
  });

  test('refuses fields that are not there, or of another type: that is our mistake', () => {
    const plan = planOf([{ type: 'drop', fields: ['key'] }]);
    expect(() => plan.reader([KEY], EVENT_TIME)).toThrow('key');
    expect(() => plan.reader([{ name: 'value', type: 'double' }], EVENT_TIME)).toThrow('value');
  });
});

describe('a task whose stream filters lines', () => {
  const NOW = 1_000_000;
  const LINES = [`${NOW} a 50`, `${NOW + 60_000} a 5`, 'bad', `${NOW} a 500`, `${NOW} a 51`, `${NOW + 90_000} a 6`];

  function outcome() {
    const { measures: _measures, ...rollup } = BY_KEY;
    const pipeline = plainPipeline({ traffic: { ...rollup, measures: [] } });
    const transforms = [{ type: 'rename', fields: { value: 'size' } }, sieveOf('size', 10)];
    const state = buildState({
      task: TASK,
      pipeline: { ...pipeline, streams: { access: { ...pipeline.streams['access']!, transforms } } },
      rawLog: RAW_LOG,
      rollupSinceMs: {},
      ...LINE_COMPONENTS,
      aggregates: COMPONENTS.aggregates,
      operators: COMPONENTS.operators,
    });
    const file = Object.assign(new TestFile('a/1', LINES), { readAtMs: NOW + 100_000 });
    for (const [offset, message] of [beatMessage(NOW, [file.report('announced')]), file.block()].entries())
      state.accept({ ...message, offset, appendedAtMs: NOW } as Message);
    return { state, file, body: state.takeBody(false) };
  }

  test('gives each line one fate with its reason, and lists dead letters alone', () => {
    const { body, file } = outcome();
    const sumOf = (...lines: number[]) => {
      const sum = emptySum();
      for (const line of lines) addLine(sum, file.source, file.at(line));
      return sum;
    };
    const fates = body.ledger.map(({ fate, reason, sum }) => ({ fate, reason, sum }));
    expect(fates).toHaveLength(6 + 1);
    expect(fates).toEqual(
      expect.arrayContaining([
        { fate: 'in', reason: '', sum: sumOf(0, 1, 2, 3, 4, 5) },
        { fate: 'rolled_up', reason: '', sum: sumOf(0) },
        { fate: 'placed', reason: '', sum: sumOf(0) },
        { fate: 'late', reason: '', sum: sumOf(4) },
        { fate: 'filtered', reason: 'too_small', sum: sumOf(1, 5) },
        { fate: 'dead_letter', reason: 'malformed', sum: sumOf(2) },
        { fate: 'dead_letter', reason: 'too_large', sum: sumOf(3) },
      ]),
    );
    expect(
      body.deadLetters.map(({ reason, detail, bytes }) => [reason, detail !== '', Buffer.from(bytes).toString()]),
    ).toEqual([
      ['malformed', true, 'bad'],
      ['too_large', false, LINES[3]],
    ]);
  });

  test('moves its clock by filtered lines, as by all with a valid event time', () => {
    // The second line, which is filtered, made the fifth one late.
    expect(outcome().state.watermarkMs).toBe(NOW + 90_000 - 1);
  });
});
