import { expect } from '@jest/globals';
import { sumsEqual } from '../../src/record/line-id.ts';
import type { AgentWorld } from './agent-world.ts';

/** Every closed source's own count must be what a reader has of it. */
export async function expectProven(world: AgentWorld): Promise<void> {
  const { beats, sources, refused } = await world.read();
  expect(refused).toEqual([]);
  for (const beat of beats) {
    for (const report of beat.sources) {
      const accepted = sources.get(`${beat.agent}/${report.number}`)!;
      if (report.state !== 'closed' || report.position !== accepted.position) continue;
      expect(report.sum).toBeDefined();
      expect(sumsEqual(report.sum!, accepted.sum)).toBe(true);
    }
  }
}
