import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Ledger } from '../../src/engine/ledger.ts';
import { FATES, type LedgerEntry } from '../../src/epoch/epoch.ts';
import { type LineSum, addSum, emptySum } from '../../src/record/line-id.ts';

const sumOf = (lines: number): LineSum => ({ lines, a: (lines * 0x9e3779b1) >>> 0, b: (lines * 0x85ebca77) >>> 0 });
const sorted = (entries: readonly LedgerEntry[]): LedgerEntry[] =>
  entries.toSorted((x, y) => (JSON.stringify(x) < JSON.stringify(y) ? -1 : 1));

describe('the ledger', () => {
  test('carries totals of what changed, once', () => {
    const ledger = new Ledger();
    ledger.add('a/1', 'traffic', 'in', '', sumOf(3));
    ledger.add('a/1', 'traffic', 'in', '', { lines: 1, a: 0xffffffff, b: 0xffffffff });
    ledger.add('a/2', 'traffic', 'in', '', sumOf(1));
    expect(ledger.hasChanges).toBe(true);
    const total = { lines: 4, a: sumOf(3).a - 1, b: sumOf(3).b - 1 };
    expect(ledger.take(false)).toEqual([
      { source: 'a/1', consumer: 'traffic', fate: 'in', reason: '', sum: total },
      { source: 'a/2', consumer: 'traffic', fate: 'in', reason: '', sum: sumOf(1) },
    ]);
    expect([ledger.hasChanges, ledger.take(false)]).toEqual([false, []]);
    ledger.add('a/2', 'traffic', 'late', '', sumOf(1));
    expect(ledger.take(true)).toHaveLength(3);
  });

  test('keeps apart sources, consumers, fates and reasons', () => {
    const ledger = new Ledger();
    ledger.add('a/1', 'x', 'dead_letter', 'future', sumOf(1));
    ledger.add('a/1', 'x', 'dead_letter', 'malformed', sumOf(2));
    ledger.add('a/1', 'y', 'dead_letter', 'future', sumOf(3));
    expect(ledger.take(true).map((entry) => entry.sum.lines)).toEqual([1, 2, 3]);
  });

  test('what it gave does not change behind the reader’s back', () => {
    const ledger = new Ledger();
    ledger.add('a/1', 'x', 'in', '', sumOf(1));
    const [entry] = ledger.take(false);
    ledger.add('a/1', 'x', 'in', '', sumOf(1));
    expect(entry?.sum).toEqual(sumOf(1));
  });

  test('folds a forgotten source into its agent, and says once that nothing is left of it', () => {
    const ledger = new Ledger();
    ledger.add('a/1', 'x', 'in', '', sumOf(2));
    ledger.add('a/2', 'x', 'in', '', sumOf(3));
    ledger.take(false);
    ledger.forget('a/1');
    const total = { source: 'a/0', consumer: 'x', fate: 'in', reason: '', sum: sumOf(2) };
    const emptied = { ...total, source: 'a/1', sum: emptySum() };
    expect(sorted(ledger.take(false))).toEqual([total, emptied]);
    ledger.forget('a/2');
    expect(ledger.take(true).map(({ source, sum }) => [source, sum.lines])).toEqual([
      ['a/2', 0],
      ['a/0', 5],
    ]);
    expect(ledger.take(true).map(({ source }) => source)).toEqual(['a/0']);
  });

  test('loses nothing to forgetting, and comes back from what it gave, whenever it was taken', () => {
    const step = fc.oneof(
      fc.record({
        type: fc.constant('add' as const),
        source: fc.nat({ max: 3 }),
        fate: fc.constantFrom(...FATES),
        lines: fc.integer({ min: 1, max: 9 }),
      }),
      fc.record({ type: fc.constantFrom('forget' as const), source: fc.nat({ max: 3 }) }),
      fc.record({ type: fc.constantFrom('take' as const, 'snapshot' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const ledger = new Ledger();
        let restored = new Ledger();
        const added = emptySum();
        for (const one of [...steps, { type: 'take' as const }]) {
          if (one.type === 'add') {
            ledger.add(`a/${one.source + 1}`, 'x', one.fate, '', sumOf(one.lines));
            addSum(added, sumOf(one.lines));
          } else if (one.type === 'forget') {
            ledger.forget(`a/${one.source + 1}`);
          } else {
            if (one.type === 'snapshot') restored = new Ledger();
            restored.restore(ledger.take(one.type === 'snapshot'));
          }
        }
        const total = emptySum();
        for (const entry of ledger.take(true)) addSum(total, entry.sum);
        expect(total).toEqual(added);
        const lines = (of: Ledger): number => [...of.totals].reduce((sum, { lines: some }) => sum + some, 0);
        expect([lines(ledger), lines(restored)]).toEqual([added.lines, added.lines]);
        expect(sorted(restored.take(true))).toEqual(sorted(ledger.take(true)));
      }),
      { seed: 11, numRuns: 300 },
    );
  });
});
