import { expect, test } from '@jest/globals';
import { type FaultPoint } from '../../src/lib/fault-point.ts';
import { sumsEqual } from '../../src/record/line-id.ts';
import { rewindSource } from '../../src/agent/resend.ts';
import type { ReadSource, SourceWorld } from '../support/source-world.ts';

/** One place that lines come from, of the kind that is tested: a file, or a partition of a topic. */
export interface SourcePlace {
  readonly world: SourceWorld;
  /** Adds lines at its end. */
  write(lines: readonly string[]): Promise<void>;
  /** What was there is gone, and something else is there under its name. */
  replace(lines: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

const AGENT_POINTS: readonly FaultPoint[] = ['agent.read', 'agent.sent', 'agent.acked', 'agent.registered'];

/** What every kind of source must do, whatever it reads: the port is `SourceInput` of src/agent/source.ts. */
export function sourceContract(open: () => Promise<SourcePlace>): void {
  let written = 0;
  const some = (count: number): string[] =>
    Array.from({ length: count }, () => `line ${written++} ${'x'.repeat(written % 90)}`);
  const at = async (work: (place: SourcePlace, world: SourceWorld) => Promise<void>): Promise<void> => {
    const place = await open();
    try {
      await work(place, place.world);
    } finally {
      await place.close();
    }
  };

  test('lines are sent as they come, once and in order, and the end is said to be reached', () =>
    at(async (place, world) => {
      const lines = some(500);
      await place.write(lines);
      world.start();
      await world.settled(500);
      for (let i = 0; i < 5; i++) {
        const more = some(20);
        lines.push(...more);
        await place.write(more);
        await world.settled(lines.length);
      }
      await world.stop();
      expect(await world.lines()).toEqual(lines);
      expect((await world.read()).size).toBe(1);
    }));

  test('killed wherever it may be killed, it sends each line once', () =>
    at(async (place, world) => {
      const lines: string[] = [];
      let kills = 0;
      for (const point of [...AGENT_POINTS, ...AGENT_POINTS]) {
        const more = some(300);
        lines.push(...more);
        await place.write(more);
        if (await world.killedAt(point, 1)) kills += 1;
      }
      expect(kills).toBe(2 * AGENT_POINTS.length);
      await world.once();
      expect(await world.lines()).toEqual(lines);
      const sources = [...(await world.read()).values()];
      for (const { report, sum } of sources) expect(sumsEqual(report!.sum!, sum)).toBe(true);
    }));

  test('a registry that is lost, or an old one, costs nothing', () =>
    at(async (place, world) => {
      const lines = some(300);
      await place.write(lines);
      world.start();
      await world.settled(300);
      await world.stop();
      const putBack = world.keepRegistry();
      const more = some(100);
      await place.write(more);
      world.start();
      await world.settled(400);
      await world.stop();
      putBack();
      world.start();
      await world.settled(400);
      await world.stop();
      world.loseRegistry();
      world.start();
      await place.write(lines.slice(0, 3));
      await world.settled(403);
      await world.stop();
      expect(await world.lines()).toEqual([...lines, ...more, ...lines.slice(0, 3)]);
      const sources = await world.read();
      expect(sources.size).toBe(1);
      await world.once();
      for (const { report, sum } of (await world.read()).values()) expect(sumsEqual(report!.sum!, sum)).toBe(true);
    }));

  test('once: all there is, closed with its count; what comes later is a source that goes on there', () =>
    at(async (place, world) => {
      const lines = some(200);
      await place.write(lines);
      await world.once();
      await world.once();
      const [first] = [...(await world.read()).values()];
      expect(first!.report).toMatchObject({ state: 'closed', position: first!.position });
      expect(sumsEqual(first!.report!.sum!, first!.sum)).toBe(true);
      const more = some(50);
      await place.write(more);
      await world.once();
      const sources = [...(await world.read()).values()];
      expect(sources).toHaveLength(2);
      expect(sources[1]!.origin).toBe(first!.position);
      expect(await world.lines()).toEqual([...lines, ...more]);
    }));

  test('what the log lost is sent again from where its readers stand', () =>
    at(async (place, world) => {
      const lines = some(600);
      await place.write(lines.slice(0, 300));
      world.start();
      await world.settled(300);
      const [[id, { position, report }]] = [...(await world.read())] as [[string, ReadSource]];
      await place.write(lines.slice(300));
      await world.settled(600);
      await world.stop();
      world.damageBlocksFrom(position);
      rewindSource(world.dataDir, id, position, report!.tail);
      world.start();
      await world.settled(600);
      await world.stop();
      expect(await world.lines()).toEqual(lines);
      expect((await world.read()).size).toBe(1);
    }));

  test('something else under its name is another source', () =>
    at(async (place, world) => {
      const before = some(100);
      await place.write(before);
      world.start();
      await world.settled(100);
      const after = some(100);
      await place.replace(after);
      await world.settled(200);
      await world.says('source_closed');
      await world.stop();
      const sources = [...(await world.read()).values()];
      expect(sources.map(({ report }) => report!.state)).toEqual(['closed', 'caught_up']);
      expect(sources.map(({ lines }) => [...lines.values()])).toEqual([before, after]);
    }));
}
