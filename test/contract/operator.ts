import { describe, expect, test } from '@jest/globals';
import type { Operator, OperatorOutput } from '../../src/operators/operator.ts';
import type { FieldType } from '../../src/record/batch.ts';
import {
  CUTS,
  type Cut,
  type RunResult,
  type TestLine,
  admittedBatch,
  runOperator,
  takeRows,
} from '../support/operator-runs.ts';

export interface OperatorUnderTest {
  readonly create: () => Operator;
  readonly fields: readonly { readonly type: FieldType }[];
  /** How many key columns its rows have. */
  readonly keys: number;
  /** Lines that reach everything it does: keys that come again, lines that are late, bad ones. */
  readonly lines: readonly TestLine[];
}

/** What every operator promises, whatever it computes. */
export function operatorContract(what: string, { create, fields, keys, lines }: OperatorUnderTest): void {
  const run = (cuts: readonly Cut[]): RunResult => runOperator({ create, fields, keys, lines, cuts, endMs: 2 ** 50 });
  const whole = run(['none']);
  const endOf = ({ table, late, fates, others }: RunResult): object => ({
    table: [...table].sort(([x], [y]) => (x < y ? -1 : 1)),
    late,
    fates,
    others,
  });

  describe(`${what} keeps the contract of operators:`, () => {
    test('an empty batch does nothing', () => {
      const calls: string[] = [];
      const say = (what: string) => () => void calls.push(what);
      const out: OperatorOutput = { late: say('late'), fate: say('fate'), others: say('others') };
      const operator = create();
      operator.process(admittedBatch([], fields), out);
      expect(calls).toEqual([]);
      expect(operator.onWatermark(0)).toBe(false);
      expect([takeRows(operator, false), takeRows(operator, true), operator.lastTimerMs()]).toEqual([
        undefined,
        undefined,
        -Infinity,
      ]);
      expect(operator.changedBytes()).toBe(0);
    });

    test('every line that is not bad has one fate', () => {
      const good = lines.filter((line) => line.isBad !== true).length;
      const fates = [...whole.fates].filter(([name]) => !name.includes(' placed '));
      expect(fates.reduce((sum, [, fate]) => sum + fate.lines, 0)).toBe(good);
      expect(good).toBeGreaterThan(0);
      expect(whole.late.length).toBeGreaterThan(0);
    });

    test.each(CUTS)('a cut behind every line changes nothing: %s', (cut) => {
      expect(endOf(run([cut]))).toEqual(endOf(whole));
    });

    test('snapshots and restarts in turn change nothing', () => {
      expect(endOf(run(['none', 'restart', 'batch', 'snapshot', 'restart', 'checkpoint', 'restart']))).toEqual(
        endOf(whole),
      );
    });

    test('a checkpoint takes what changed, once; a snapshot all that is open, each row once', () => {
      const out: OperatorOutput = { late: () => undefined, fate: () => undefined, others: () => undefined };
      const operator = create();
      operator.process(admittedBatch(lines, fields), out);
      expect(operator.changedBytes()).toBeGreaterThan(0);
      const rows = takeRows(operator, false);
      expect(rows?.length).toBeGreaterThan(0);
      expect([takeRows(operator, false), operator.changedBytes()]).toEqual([undefined, 0]);
      expect(takeRows(operator, true)?.length).toBe(rows?.length);
    });

    test('fires when the last timer is due, and not before', () => {
      const out: OperatorOutput = { late: () => undefined, fate: () => undefined, others: () => undefined };
      const operator = create();
      operator.process(admittedBatch(lines, fields), out);
      const lastMs = operator.lastTimerMs();
      operator.onWatermark(lastMs - 1);
      expect(operator.lastTimerMs()).toBe(lastMs);
      expect(operator.onWatermark(lastMs)).toBe(true);
      expect(operator.lastTimerMs()).toBe(-Infinity);
    });
  });
}
