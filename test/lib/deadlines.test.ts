import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Deadlines } from '../../src/lib/deadlines.ts';

const steps = fc.array(
  fc.oneof(
    fc.record({ item: fc.nat(5), atMs: fc.constantFrom(-Infinity, 0, 1, 2, 3, 50) }),
    fc.record({ gone: fc.nat(5) }),
    fc.record({ nowMs: fc.integer({ min: -1, max: 60 }) }),
  ),
  { maxLength: 60 },
);

test('gives what is due, in order, as a sorted list would', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const deadlines = new Deadlines<number>();
      const plain = new Map<number, number>();
      for (const step of all) {
        if ('item' in step) {
          deadlines.set(step.item, step.atMs);
          plain.set(step.item, step.atMs);
        } else if ('gone' in step) {
          deadlines.delete(step.gone);
          plain.delete(step.gone);
        } else {
          const due = [...plain].filter(([, atMs]) => atMs <= step.nowMs);
          const taken = deadlines.takeDue(step.nowMs);
          expect(new Set(taken)).toEqual(new Set(due.map(([item]) => item)));
          expect(taken).toHaveLength(due.length);
          const moments = taken.map((item) => plain.get(item)!);
          expect(moments).toEqual(moments.toSorted((left, right) => left - right));
          for (const item of taken) plain.delete(item);
        }
        expect(deadlines.nextMs).toBe(Math.min(...plain.values()));
      }
    }),
    { seed: 28, numRuns: 500 },
  );
});
