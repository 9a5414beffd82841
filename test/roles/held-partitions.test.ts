import { expect, test } from '@jest/globals';
import { HeldPartitions } from '../../src/roles/held-partitions.ts';

function setUp(): {
  began: (partition: number, code?: string) => string | undefined;
  over: (partition: number) => string | undefined;
} {
  const held = new HeldPartitions();
  return {
    began: (partition, code = 'LOG_UNREACHABLE') =>
      held.line({ type: 'backpressure_began', topic: 't', partition, reason: `t/${partition}: no answer`, code }),
    over: (partition) => held.line({ type: 'backpressure_ended', topic: 't', partition }),
  };
}

test('one that is held is said, and that it goes on', () => {
  const { began, over } = setUp();
  expect([began(0), over(0), began(0)]).toEqual([
    't/0 takes no more: t/0: no answer; files wait',
    't/0 takes blocks again',
    't/0 takes no more: t/0: no answer; files wait',
  ]);
});

test('many that are held by one trouble are one line, and one when the last is over', () => {
  const { began, over } = setUp();
  expect([began(0), began(1), began(2)].filter((line) => line !== undefined)).toHaveLength(1);
  expect([over(1), over(0), over(2)]).toEqual([undefined, undefined, 'all partitions take blocks again']);
  expect(began(1)).toContain('t/1 takes no more');
});

test('another trouble is another line', () => {
  const { began, over } = setUp();
  expect([began(0), began(1, 'LOG_DISK_FULL')]).toEqual([
    't/0 takes no more: t/0: no answer; files wait',
    't/1 takes no more: t/1: no answer; files wait',
  ]);
  expect([over(0), over(1), over(2)]).toEqual(['t/0 takes blocks again', 't/1 takes blocks again', undefined]);
});
