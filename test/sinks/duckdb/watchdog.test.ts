import { describe, expect, test } from '@jest/globals';
import { Watchdog } from '../../../src/sinks/duckdb/watchdog.ts';

const LIMITS = { timeoutMs: 10_000, suspectTimeoutMs: 2000, graceMs: 2000, rssBytesHigh: 400, rssBytesMax: 500 };
const watchdog = (): Watchdog => new Watchdog(LIMITS);

describe('time', () => {
  test('an interrupt has two seconds, and then only that query is blamed', () => {
    const dog = watchdog();
    dog.began(1, 0, false);
    dog.began(2, 0, false);
    dog.interrupted(2, 5000);
    // Said again and again; the first counts.
    dog.interrupted(2, 6900);
    expect(dog.judge(6999, 100)).toEqual({ kind: 'fine' });
    expect(dog.judge(7000, 100)).toMatchObject({ kind: 'end', ids: [2] });
  });

  test('one that nobody interrupts has its time and the two seconds: the event loop may be held, too', () => {
    const dog = watchdog();
    dog.began(1, 0, false);
    expect(dog.judge(11_999, 100)).toEqual({ kind: 'fine' });
    expect(dog.judge(12_000, 100)).toMatchObject({ kind: 'end', ids: [1] });
  });

  test('a suspect has less', () => {
    const dog = watchdog();
    dog.began(1, 0, true);
    expect(dog.judge(4000, 100)).toMatchObject({ kind: 'end', ids: [1] });
  });

  test('one that has ended is nobody to blame', () => {
    const dog = watchdog();
    dog.began(1, 0, false);
    dog.interrupted(1, 0);
    dog.ended(1);
    expect([dog.judge(1e9, 1e9), dog.isIdle]).toEqual([{ kind: 'fine' }, true]);
  });
});

describe('memory', () => {
  test('the oldest is interrupted first, the next when that did not help', () => {
    const dog = watchdog();
    dog.began(1, 0, false);
    dog.began(2, 1, false);
    expect(dog.judge(10, 400)).toEqual({ kind: 'fine' });
    expect(dog.judge(20, 401)).toEqual({ kind: 'interrupt', id: 1 });
    expect(dog.judge(110, 401)).toEqual({ kind: 'fine' });
    expect(dog.judge(120, 401)).toEqual({ kind: 'interrupt', id: 2 });
    expect(dog.judge(300, 401)).toEqual({ kind: 'fine' });
    expect(dog.judge(2020, 401)).toMatchObject({ kind: 'end', ids: [1] });
  });

  test('above the bound there is no time for interrupts, and all that run may be the cause', () => {
    const dog = watchdog();
    dog.began(1, 0, false);
    dog.began(2, 0, false);
    expect(dog.judge(1, 501)).toMatchObject({ kind: 'end', ids: 'any' });
  });

  test('what the process takes without queries is not theirs', () => {
    expect(watchdog().judge(0, 1e12)).toEqual({ kind: 'fine' });
  });
});
