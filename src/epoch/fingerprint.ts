import { hash64 } from '../lib/hash.ts';
import type { Pipeline, RollupSpec } from './pipeline.ts';

/** A rollup's identity: the hash of its normalised definition. A rollup of the same name with another one is another rollup. */
export function fingerprint(spec: RollupSpec): string {
  // What is written otherwise and means the same is the same.
  const measures = spec.measures.map(({ text: _text, ...measure }) => measure);
  const derived = spec.derived?.map(({ name, tree }) => ({ name, tree }));
  return hash64(canonicalJson({ ...spec, measures, derived, where: spec.where?.tree }));
}

/** Of all streams: a table's name is one for the pipeline, and a rollup that moves to another stream is another one. */
export function fingerprints(pipeline: Pipeline): Record<string, string> {
  return Object.fromEntries(Object.entries(pipeline.rollups).map(([name, spec]) => [name, fingerprint(spec)]));
}

export function isSamePipeline(left: Pipeline, right: Pipeline): boolean {
  return canonicalJson(left) === canonicalJson(right);
}

/** JSON with the keys of every object sorted, so that order in a file means nothing. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
