import { hash64, murmur2 } from '../lib/hash.ts';

/**
 * A source is one file (or listener) of one agent, named for ever by the agent's UUID and a number that only grows:
 * `6f1c…/12`. The number orders the sources of an agent: a reader takes a source as new only if its number is above
 * the highest it has seen of that agent.
 */
export type SourceId = string;

/** How many bytes below a position are hashed to recognise a file's content there. */
export const TAIL_BYTES = 64;

const encoder = new TextEncoder();

export function sourceId(agent: string, number: number): SourceId {
  return `${agent}/${number}`;
}

export function agentOf(source: SourceId): string {
  return source.slice(0, source.lastIndexOf('/'));
}

export function numberOf(source: SourceId): number {
  return Number(source.slice(source.lastIndexOf('/') + 1));
}

/** Whether a text has the form of a source id. */
export function isSourceId(text: string): boolean {
  return /^.+\/\d{1,15}$/.test(text);
}

/** The partition of a source: Kafka's default partitioner over the id's bytes. */
export function partitionOf(source: SourceId, partitions: number): number {
  return (murmur2(encoder.encode(source)) & 0x7fffffff) % partitions;
}

/** The hash of the (at most 64) bytes that end at a position. `bytes` may be longer: only its last 64 count. */
export function tailHash(bytes: Uint8Array): string {
  return hash64(bytes.subarray(Math.max(0, bytes.length - TAIL_BYTES)));
}

/** The tail of a position with nothing below it. */
export const EMPTY_TAIL = tailHash(new Uint8Array(0));

/**
 * The two seeds of a source's line hashes (see line-id.ts): unsigned 32-bit numbers, the halves of a 64-bit hash of its id. Each lane has
 * bits of its own: two sources that share one seed, as some will among many, still differ in the other.
 */
export function lineHashSeeds(source: SourceId): readonly [number, number] {
  const hash = hash64(source);
  return [Number.parseInt(hash.slice(0, 8), 16), Number.parseInt(hash.slice(8), 16)];
}
