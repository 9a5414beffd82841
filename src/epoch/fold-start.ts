import type { Log, PartitionEnds } from '../broker/broker.ts';
import { present } from '../lib/assert.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import { decodeEnvelope } from './codec.ts';
import type { EpochEnvelope } from './epoch.ts';

/**
 * The ends of an epoch partition, its start being where a fold may begin: the genesis, or the first snapshot that is known to count.
 *
 * A partition is trimmed exactly to a counted snapshot, but a log need not begin where it was trimmed. Kafka writes down where a log begins
 * once a minute, and deletes whole segments: a broker that is killed in between comes back with a log that begins anywhere before that
 * snapshot, with half a snapshot, or with an epoch that never counted. What tells is the writers' own rule, that an epoch is only appended
 * when the one before it was read back as counted: so an epoch that another one follows counts. The snapshot that the partition was
 * trimmed to is such a one, since it is the older of two.
 */
export async function foldableEnds(log: Log, topic: string, partition: number): Promise<PartitionEnds> {
  const name = `${topic}/${partition}`;
  const { start, end } = present((await log.ends(topic))[partition], `${name} exists`);
  if (start === 0 || start === end) return { start, end };
  // Bound: the snapshots of writers that died before their first one counted.
  const candidates = new Map<string, number>();
  let firstId: string | undefined;
  let isFirstWhole = false;
  for await (const messages of log.read(topic, partition, start, { isFollowing: false, hasValues: false })) {
    for (const { offset, kind, header, damaged } of messages) {
      const envelope = damaged === undefined && (kind === 'epoch' || kind === 'part') ? envelopeOf(header) : undefined;
      if (envelope === undefined) continue;
      const { id, prev, isSnapshot, part } = envelope;
      const known = candidates.get(prev);
      if (known !== undefined) return { start: known, end };
      if (isSnapshot && part === 0 && !candidates.has(id)) candidates.set(id, offset);
      if (isSnapshot && part === 0 && offset === start) firstId = id;
      isFirstWhole ||= kind === 'epoch' && id === firstId;
    }
  }
  // Nothing follows: where it was trimmed to its only snapshot, that counts by definition.
  if (isFirstWhole) return { start, end };
  throw noSnapshotError(name, start);
}

/** An epoch partition without its genesis, and without a snapshot that counts: nobody can go on from it. */
export function noSnapshotError(name: string, start: number): OperatingError {
  return new OperatingError(
    `${name} begins at ${start} in the middle of its epochs, and holds no snapshot that counts`,
    {
      code: 'LOG_DAMAGED',
      exitCode: EXIT.mismatch,
      hint: 'restore the log from a copy; or, to go on with what raw still has, give the pipeline (of documents: the sink) another name',
    },
  );
}

/** Undefined where it is damaged: the fold says so, if it comes there. */
function envelopeOf(header: Uint8Array): EpochEnvelope | undefined {
  try {
    return decodeEnvelope(header);
  } catch (error) {
    if (error instanceof RangeError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
