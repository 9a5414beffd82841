import type { Log, Message, MessageKind, OutgoingMessage, ReadOptions } from '../../src/broker/broker.ts';
import type { LogAbility, LogHarness } from './log-harness.ts';

export const TOPIC = 'test.raw.access';
export const MESSAGE_BYTES_MAX = 8 * 1024 * 1024;
export const NO_BYTES = new Uint8Array(0);
const encoder = new TextEncoder();

export function message(header: string, value: Uint8Array | string = '', kind: MessageKind = 'block'): OutgoingMessage {
  return { kind, header: encoder.encode(header), value: typeof value === 'string' ? encoder.encode(value) : value };
}

export async function readAll(
  log: Log,
  from = 0,
  options: Partial<ReadOptions> = {},
  partition = 0,
): Promise<Message[]> {
  const all: Message[] = [];
  for await (const batch of log.read(TOPIC, partition, from, { isFollowing: false, ...options })) all.push(...batch);
  return all;
}

export function headerOf({ header }: Message): string {
  return new TextDecoder().decode(header);
}

export function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && Buffer.compare(a, b) === 0;
}

/** What the parts of the contract work with: an open log with {@link TOPIC} of two partitions. */
export interface Given {
  readonly harness: () => LogHarness;
  readonly log: () => Log;
  readonly abilities: readonly LogAbility[];
}
