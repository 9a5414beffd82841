import type { Log } from '../broker/broker.ts';
import { foldableEnds } from '../epoch/fold-start.ts';
import { type CountedEpoch, Fold } from '../epoch/fold.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';

/** An epoch partition, and the log it lies in. */
export interface EpochPlace {
  readonly log: Log;
  readonly epochTopic: string;
  readonly partition: number;
}

/** What an epoch partition holds. */
export interface EpochHistory {
  /** Stands at the end of the partition, envelopes only. */
  readonly fold: Fold;
  /** Everything that counts, oldest first, without bodies. */
  readonly counted: readonly CountedEpoch[];
  readonly snapshots: readonly CountedEpoch[];
}

/** Follows the chain of a partition from its start to its end as it is now. */
export async function readHistory(place: EpochPlace): Promise<EpochHistory> {
  const { log, epochTopic, partition } = place;
  const { start } = await foldableEnds(log, epochTopic, partition);
  const fold = new Fold({ name: nameOf(place), hasBodies: false, offset: start });
  const counted: CountedEpoch[] = [];
  for await (const epoch of countedEpochs(place, fold, false)) counted.push(epoch);
  return { fold, counted, snapshots: counted.filter(({ envelope }) => envelope.isSnapshot) };
}

/** A fold with bodies that begins at a counted snapshot. */
export function foldFrom(place: EpochPlace, { envelope, firstOffset }: CountedEpoch): Fold {
  const chain = { id: envelope.prev, n: envelope.n - 1, to: envelope.from };
  return new Fold({ name: nameOf(place), hasBodies: true, offset: firstOffset, chain });
}

/** Everything that counts from where the fold stands, up to the log's end or to `before`. */
export async function* countedEpochs(
  { log, epochTopic, partition }: EpochPlace,
  fold: Fold,
  hasValues: boolean,
  before = Infinity,
): AsyncGenerator<CountedEpoch> {
  const reading = log.read(epochTopic, partition, fold.nextOffset, { isFollowing: false, hasValues });
  for await (const messages of reading) {
    for (const message of messages) {
      if (message.offset >= before) return;
      const epoch = fold.push(message);
      if (epoch !== undefined) yield epoch;
    }
  }
}

/** What was read a moment ago is not there any more. */
export function changedMeanwhile(place: EpochPlace): OperatingError {
  return new OperatingError(`${nameOf(place)} lost its end while it was read`, {
    code: 'LOG_FORKED',
    exitCode: EXIT.mismatch,
    hint: 'look at the log: its disk, or who puts copies back; the next start reads what it holds now',
  });
}

function nameOf({ epochTopic, partition }: EpochPlace): string {
  return `${epochTopic}/${partition}`;
}
