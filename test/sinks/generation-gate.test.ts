import { expect, test } from '@jest/globals';
import type { Epoch } from '../../src/epoch/epoch.ts';
import type { Pipeline } from '../../src/epoch/pipeline.ts';
import { EXIT } from '../../src/lib/errors.ts';
import { GenerationGate } from '../../src/sinks/generation-gate.ts';
import { BY_KEY, plainPipeline } from '../support/raw-stream.ts';

const OWN = plainPipeline();
const NEWER = plainPipeline({ traffic: BY_KEY, more: BY_KEY });

const epoch = (generation: number, pipeline: Pipeline | null = null): Epoch =>
  ({ envelope: { generation }, body: { pipeline } }) as unknown as Epoch;

/** What a gate of generation 2 makes of epochs, one after the other. */
function passed(...epochs: Epoch[]): number | string {
  const gate = new GenerationGate({ pipeline: OWN, generation: 2 });
  for (const [at, one] of epochs.entries()) {
    try {
      gate.check(one);
    } catch (error) {
      expect(error).toMatchObject({ code: 'SUPERSEDED', exitCode: EXIT.superseded });
      return `not ${at}`;
    }
  }
  return epochs.length;
}

test('what is its own or older passes, whatever pipeline that was', () => {
  expect(passed(epoch(1, NEWER), epoch(1), epoch(2, OWN), epoch(2))).toBe(4);
});

test('a newer pipeline is not read past, and neither is what cannot be told', () => {
  expect(passed(epoch(2), epoch(3, NEWER))).toBe('not 1');
  expect(passed(epoch(2), epoch(3))).toBe('not 1');
});

test('its own pipeline under a later number is its own', () => {
  expect(passed(epoch(4, OWN), epoch(4), epoch(3), epoch(5, NEWER))).toBe('not 3');
});
