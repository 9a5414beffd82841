import { expect, test } from '@jest/globals';
import { valueOf } from '../support/log-child.ts';
import type { LogAbility } from '../support/log-harness.ts';
import { headerOf, message, readAll, TOPIC } from '../support/log-messages.ts';
import type { Given } from '../support/log-messages.ts';
import { until } from '../support/tailrace-process.ts';

export function describeTrimming({ harness, log }: Given): void {
  test('what is trimmed is gone, the rest keeps its offsets', async () => {
    await log().append(
      TOPIC,
      0,
      Array.from({ length: 500 }, (_, i) => message(`${i + 1}`)),
    );
    await log().trim(TOPIC, 0, 400);
    expect(await log().ends(TOPIC)).toEqual([
      { start: 400, end: 501 },
      { start: 0, end: 1 },
    ]);
    expect((await readAll(log(), 400)).map(headerOf)).toEqual(Array.from({ length: 101 }, (_, i) => `${i + 400}`));
    await expect(readAll(log(), 399)).rejects.toMatchObject({ code: 'LOG_TRIMMED' });
    await log().trim(TOPIC, 0, 100);
    expect((await log().ends(TOPIC))[0]!.start).toBe(400);
  });

  test('trimming ends at the end, and the next message gets the next offset', async () => {
    await log().append(TOPIC, 0, [message('1'), message('2')]);
    await log().trim(TOPIC, 0, 1000);
    expect((await log().ends(TOPIC))[0]).toEqual({ start: 3, end: 3 });
    expect(await readAll(log(), 3)).toEqual([]);
    const other = await harness().open();
    expect(await other.append(TOPIC, 0, [message('3')])).toBe(3);
    expect((await readAll(log(), 3)).map(headerOf)).toEqual(['3']);
  });

  test('a follower that is overtaken by trimming is told', async () => {
    await log().append(TOPIC, 0, [message('1'), message('2'), message('3')]);
    const reading = log().read(TOPIC, 0, 0, { isFollowing: true, batchBytesMax: 1 })[Symbol.asyncIterator]();
    await reading.next();
    await log().trim(TOPIC, 0, 3);
    await expect(reading.next()).rejects.toMatchObject({ code: 'LOG_TRIMMED' });
  });

  test('a reader past the end is told of the fork', async () => {
    await expect(readAll(log(), 2)).rejects.toMatchObject({ code: 'LOG_FORKED' });
    await expect(readAll(log(), 2, { isFollowing: true })).rejects.toMatchObject({ code: 'LOG_FORKED' });
  });
}

export function describeReports({ harness, log }: Given): void {
  test('cursors are there for everybody soon, the last one counts', async () => {
    const other = await harness().open();
    await log().report('warehouse', TOPIC, 0, { offset: 3, id: 'abc' });
    await log().report('warehouse', TOPIC, 0, { offset: 5, id: 'def' });
    await log().report('alerts', TOPIC, 1, { offset: 1, id: '' });
    const mine = await log().reports(TOPIC);
    expect(mine.map(({ group, partition, cursor }) => [group, partition, cursor])).toEqual([
      ['alerts', 1, { offset: 1, id: '' }],
      ['warehouse', 0, { offset: 5, id: 'def' }],
    ]);
    await other.report('late', TOPIC, 0, { offset: 2, id: 'x' });
    const groups = async (): Promise<string[]> => (await log().reports(TOPIC)).map(({ group }) => group);
    await until(
      async () => (await groups()).length > 2,
      20_000,
      () => 'nobody sees the third report',
    );
    expect(await groups()).toEqual(['alerts', 'late', 'warehouse']);
    expect(await log().reports('test.epochs')).toEqual([]);
  });

  test('a registered group stays without a cursor, until it reports or is forgotten', async () => {
    await log().report('documents', TOPIC, 0, undefined);
    await log().report('warehouse', TOPIC, 0, { offset: 4, id: 'a' });
    await log().reports(TOPIC);
    await log().report('warehouse', TOPIC, 0, undefined);
    await log().close();
    const next = await harness().open();
    const cursors = async (): Promise<unknown[]> => (await next.reports(TOPIC)).map((r) => [r.group, r.cursor?.offset]);
    expect(await cursors()).toEqual([
      ['documents', undefined],
      ['warehouse', 4],
    ]);
    await next.report('documents', TOPIC, 0, { offset: 1, id: 'b' });
    await next.forget('warehouse');
    expect(await cursors()).toEqual([['documents', 1]]);
  });

  test('a cursor reported just before forget does not bring the group back', async () => {
    await log().report('warehouse', TOPIC, 0, { offset: 4, id: 'a' });
    await log().forget('warehouse');
    await log().append(TOPIC, 0, [message('a')]);
    expect(await log().reports(TOPIC)).toEqual([]);
  });
}

/** Declares a test for an ability that the adapter has; where it has not, there is no test, and none is skipped. */
export function testsOf(abilities: readonly LogAbility[]) {
  return (ability: LogAbility) =>
    (name: string, run: () => Promise<void>): void => {
      if (abilities.includes(ability)) test(name, run);
    };
}

export function describeFailures({ harness, log, abilities }: Given): void {
  const testIf = testsOf(abilities);

  testIf('disk_limit')('at the disk limit appends are refused whole, and go on after trimming', async () => {
    const small = await harness().open({ diskMaxBytes: 2 * 1024 * 1024 });
    const append = (n: number): Promise<number> =>
      small.append(TOPIC, 0, [message(`${n}a`, valueOf(n, 100_000)), message(`${n}b`)]);
    let written = 0;
    const fill = async (): Promise<void> => {
      for (;;) await append(written).then(() => written++);
    };
    await expect(fill()).rejects.toMatchObject({ code: 'LOG_DISK_FULL', isRetryable: true });
    expect(written).toBeGreaterThan(5);
    const headers = (await readAll(log(), 1)).map(headerOf);
    expect(headers).toEqual(Array.from({ length: written }, (_, n) => [`${n}a`, `${n}b`]).flat());
    await expect(append(written)).rejects.toMatchObject({ code: 'LOG_DISK_FULL' });
    expect(small.usage!().bytes).toBeLessThanOrEqual(2 * 1024 * 1024);
    await small.trim(TOPIC, 0, 1 + written);
    expect(await append(written)).toBe(1 + 2 * written);
  });

  testIf('damage')('a damaged message is named and the others come whole', async () => {
    const damage = harness().damage!;
    await log().append(TOPIC, 0, [
      message('aaaa', 'x'.repeat(5000)),
      message('bbbb', 'short'),
      message('cccc', 'sound'),
      message('dddd', 'short'),
    ]);
    damage(TOPIC, 0, 1, 'value');
    damage(TOPIC, 0, 2, 'header');
    damage(TOPIC, 0, 4, 'value');
    const read = await readAll(log(), 1);
    expect(read.map(({ offset, damaged }) => [offset, damaged === undefined])).toEqual([
      [1, false],
      [2, false],
      [3, true],
      [4, false],
    ]);
    expect(read.slice(0, 2).map(({ header, value }) => header.length + value.length)).toEqual([0, 0]);
    expect(headerOf(read[2]!)).toBe('cccc');
  });

  testIf('copy')('an older copy in the place of the log is a fork for who has read more', async () => {
    await log().append(TOPIC, 0, [message('1')]);
    await log().close();
    const putBack = harness().copy!();
    const before = await harness().open();
    await before.append(TOPIC, 0, [message('2'), message('3')]);
    await before.close();
    putBack();
    const after = await harness().open();
    await expect(readAll(after, 4)).rejects.toMatchObject({ code: 'LOG_FORKED' });
    expect((await readAll(after, 1)).map(headerOf)).toEqual(['1']);
  });

  test('after close everything is refused', async () => {
    await log().close();
    await log().close();
    await expect(log().append(TOPIC, 0, [message('a')])).rejects.toMatchObject({ code: 'LOG_CLOSED' });
  });
}
