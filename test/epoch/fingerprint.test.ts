import { expect, test } from '@jest/globals';
import { canonicalJson, fingerprint, fingerprints, isSamePipeline } from '../../src/epoch/fingerprint.ts';
import type { RollupSpec } from '../../src/epoch/pipeline.ts';
import { TRAFFIC, pipelineOf } from '../support/epochs.ts';

test('the order of keys in a file means nothing, the order of a list does', () => {
  expect(canonicalJson({ b: [{ d: 1, c: null }], a: 'x' })).toBe('{"a":"x","b":[{"c":null,"d":1}]}');
  expect(canonicalJson({ a: 1, 10: 2, 9: 3 })).toBe(canonicalJson({ 9: 3, 10: 2, a: 1 }));
  expect(canonicalJson([1, 2])).not.toBe(canonicalJson([2, 1]));
});

test('a rollup keeps its fingerprint when its definition is written in another order', () => {
  const turned = Object.fromEntries(Object.entries(TRAFFIC).reverse()) as unknown as RollupSpec;
  expect(Object.keys(turned)).not.toEqual(Object.keys(TRAFFIC));
  expect(fingerprint(turned)).toBe(fingerprint(TRAFFIC));
  expect(fingerprint(TRAFFIC)).toMatch(/^[0-9a-f]{16}$/);
});

test.each<[string, Partial<RollupSpec>]>([
  ['key', { by: TRAFFIC.by.slice(1) }],
  ['window', { window: { ...TRAFFIC.window, sizeMs: 1 } }],
  ['offset', { window: { ...TRAFFIC.window, offsetMs: 1 } }],
  ['lateness', { allowedLatenessMs: 1 }],
  ['measure', { measures: TRAFFIC.measures.slice(1) }],
  ['stream', { from: 'other' }],
])('another %s makes another rollup', (_what, change) => {
  expect(fingerprint({ ...TRAFFIC, ...change })).not.toBe(fingerprint(TRAFFIC));
});

test('a pipeline has the fingerprints of all its streams', () => {
  const pipeline = pipelineOf({ traffic: TRAFFIC, other: { ...TRAFFIC, from: 'other' } });
  const other = fingerprint({ ...TRAFFIC, from: 'other' });
  expect(fingerprints(pipeline)).toEqual({ traffic: fingerprint(TRAFFIC), other });
  expect(isSamePipeline(pipeline, structuredClone(pipeline))).toBe(true);
  expect(isSamePipeline(pipeline, pipelineOf())).toBe(false);
});
