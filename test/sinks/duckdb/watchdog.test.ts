import { describe, expect, test } from '@jest/globals';
import { Watchdog } from '../../../src/sinks/duckdb/watchdog.ts';

const LIMITS = {
  timeoutMs: 10_000,
  suspectTimeoutMs: 2000,
  graceMs: 2000,
  rssBytesHigh: 400,
  rssBytesMax: 500,
  addedBytesHigh: 100,
  addedBytesMax: 150,
};
const watchdog = (): Watchdog => new Watchdog(LIMITS);

describe('time', () => {
  test('an interrupt has two seconds, and then only that query is blamed', () => {
    const dog = watchdog();
    dog.began(1, 0);
    dog.began(2, 0);
    dog.interrupted(2, 5000);
    // Said again and again; the first counts.
    dog.interrupted(2, 6900);
    expect(dog.judge(6999, 100)).toEqual({ kind: 'fine' });
    expect(dog.judge(7000, 100)).toMatchObject({ kind: 'end', ids: [2] });
  });

  test('one that nobody interrupts has its time and the two seconds: the event loop may be held, too', () => {
    const dog = watchdog();
    dog.began(1, 0);
    expect(dog.judge(11_999, 100)).toEqual({ kind: 'fine' });
    expect(dog.judge(12_000, 100)).toMatchObject({ kind: 'end', ids: [1] });
  });

  test('a suspect has less', () => {
    const dog = watchdog();
    dog.began(1, 0, { isSuspect: true });
    expect(dog.judge(4000, 100)).toMatchObject({ kind: 'end', ids: [1] });
  });

  test('one that hands over a part of its answer has its time again', () => {
    const dog = watchdog();
    dog.began(1, 0, { isSuspect: true });
    dog.began(2, 0);
    dog.progressed(1, 3000);
    dog.progressed(2, 9000);
    expect(dog.judge(6999, 100)).toEqual({ kind: 'fine' });
    expect(dog.judge(7000, 100)).toMatchObject({ kind: 'end', ids: [1] });
    dog.ended(1);
    expect(dog.judge(20_999, 100)).toEqual({ kind: 'fine' });
    expect(dog.judge(21_000, 100)).toMatchObject({ kind: 'end', ids: [2] });
  });

  test('one that has ended is nobody to blame', () => {
    const dog = watchdog();
    dog.began(1, 0);
    dog.interrupted(1, 0);
    dog.ended(1);
    expect([dog.judge(1e9, 1e9), dog.isIdle]).toEqual([{ kind: 'fine' }, true]);
  });
});

describe('memory', () => {
  test('what the writer needed before is not held against a query', () => {
    const dog = watchdog();
    dog.began(1, 0, { rssBytes: 450 });
    expect(dog.judge(10, 549)).toEqual({ kind: 'fine' });
    expect(dog.judge(20, 551)).toEqual({ kind: 'interrupt', id: 1 });
    expect(dog.judge(30, 601)).toMatchObject({ kind: 'end', ids: 'any' });
  });

  test('what queries leave behind earns the next ones nothing; what the writer adds between does', () => {
    const dog = watchdog();
    dog.began(1, 0, { rssBytes: 200 });
    expect(dog.judge(10, 390)).toEqual({ kind: 'fine' });
    dog.ended(1);
    dog.began(2, 20, { rssBytes: 390 });
    expect(dog.judge(30, 401)).toEqual({ kind: 'interrupt', id: 2 });
    dog.ended(2);
    dog.began(3, 40, { rssBytes: 620 });
    expect(dog.judge(50, 510)).toEqual({ kind: 'fine' });
    expect(dog.judge(150, 521)).toEqual({ kind: 'interrupt', id: 3 });
  });

  test('this program’s own is neither interrupted nor blamed for what others take', () => {
    const dog = watchdog();
    dog.began(1, 0, { isOwn: true });
    expect(dog.judge(10, 1000)).toEqual({ kind: 'fine' });
    dog.began(2, 20);
    expect(dog.judge(30, 401)).toEqual({ kind: 'interrupt', id: 2 });
    expect(dog.judge(200, 401)).toEqual({ kind: 'fine' });
  });

  test('the oldest is interrupted first, the next when that did not help', () => {
    const dog = watchdog();
    dog.began(1, 0);
    dog.began(2, 1);
    expect(dog.judge(10, 400)).toEqual({ kind: 'fine' });
    expect(dog.judge(20, 401)).toEqual({ kind: 'interrupt', id: 1 });
    expect(dog.judge(110, 401)).toEqual({ kind: 'fine' });
    expect(dog.judge(120, 401)).toEqual({ kind: 'interrupt', id: 2 });
    expect(dog.judge(300, 401)).toEqual({ kind: 'fine' });
    expect(dog.judge(2020, 401)).toMatchObject({ kind: 'end', ids: [1] });
  });

  test('above the bound there is no time for interrupts, and all that run may be the cause', () => {
    const dog = watchdog();
    dog.began(1, 0);
    dog.began(2, 0);
    expect(dog.judge(1, 501)).toMatchObject({ kind: 'end', ids: 'any' });
  });

  test('what the process takes without queries is not theirs', () => {
    expect(watchdog().judge(0, 1e12)).toEqual({ kind: 'fine' });
  });
});
