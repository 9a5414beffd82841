import { hash64 } from '../lib/hash.ts';
import type { Pipeline, RollupSpec } from './pipeline.ts';

/** A rollup's identity: the hash of its normalised definition. A rollup of the same name with another one is another rollup. */
export function fingerprint(spec: RollupSpec): string {
  return hash64(canonicalJson(withoutTexts(spec)));
}

/** Of all streams: a table's name is one for the pipeline, and a rollup that moves to another stream is another one. */
export function fingerprints(pipeline: Pipeline): Record<string, string> {
  return Object.fromEntries(Object.entries(pipeline.rollups).map(([name, spec]) => [name, fingerprint(spec)]));
}

export function isSamePipeline(left: Pipeline, right: Pipeline): boolean {
  return canonicalJson(withoutTexts(left)) === canonicalJson(withoutTexts(right));
}

/** An expression that is written otherwise and means the same is the same. */
function withoutTexts(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => withoutTexts(one));
  const isWritten = ['tree', 'expression'].some((key) => typeof (value as Record<string, unknown>)[key] === 'object');
  const entries = Object.entries(value).filter(
    ([key, one]) => !(isWritten && key === 'text' && typeof one === 'string'),
  );
  return Object.fromEntries(entries.map(([key, one]) => [key, withoutTexts(one)]));
}

/** JSON with the keys of every object sorted, so that order in a file means nothing. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
