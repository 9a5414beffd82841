import { foldableEnds } from '../epoch/fold-start.ts';
import type { CountedEpoch } from '../epoch/fold.ts';
import { type EpochPlace, EpochWalk, nameOf } from '../epoch/walk.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';

/** What an epoch partition holds. */
export interface EpochHistory {
  /** Stands at the end of the partition, envelopes only. */
  readonly walk: EpochWalk;
  /** Everything that counts, oldest first, without bodies. */
  readonly counted: readonly CountedEpoch[];
  readonly snapshots: readonly CountedEpoch[];
}

/** Follows the chain of a partition from its start to its end as it is now. */
export async function readHistory(place: EpochPlace): Promise<EpochHistory> {
  const { start } = await foldableEnds(place.log, place.topic, place.partition);
  const walk = new EpochWalk(place, { offset: start, hasBodies: false });
  const counted = await walk.all();
  return { walk, counted, snapshots: counted.filter(({ envelope }) => envelope.isSnapshot) };
}

/** What was read a moment ago is not there any more. */
export function changedMeanwhile(place: EpochPlace): OperatingError {
  return new OperatingError(`${nameOf(place)} lost its end while it was read`, {
    code: 'LOG_FORKED',
    exitCode: EXIT.mismatch,
    hint: 'look at the log: its disk, or who puts copies back; the next start reads what it holds now',
  });
}
