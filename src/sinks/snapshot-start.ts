import type { Cursor, Log } from '../broker/broker.ts';
import { pastTrims } from '../broker/past-trims.ts';
import { foldableEnds } from '../epoch/fold-start.ts';
import { type ChainEnd, Fold } from '../epoch/fold.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import type { EpochPartition, ReaderWords, StoredCursor } from './epoch-reader.ts';

export interface SnapshotStart {
  /** Just before the last snapshot that the sink has read; undefined: at the first message there is. */
  readonly cursor: StoredCursor | undefined;
  /** What the sink has reported. */
  readonly reported: Cursor | undefined;
}

/**
 * Where a sink that stores no state of its own begins to fold again: at the last counted snapshot before the cursor it has reported, from which
 * every row that was open at the cursor follows. What the report says must be what counts in the log, else it is another log.
 */
export function snapshotStart(
  log: Log,
  group: string,
  from: EpochPartition,
  words: ReaderWords,
): Promise<SnapshotStart> {
  return pastTrims(log, [from], () => findStart(log, group, from, words));
}

async function findStart(
  log: Log,
  group: string,
  from: EpochPartition,
  { who, startOver }: ReaderWords,
): Promise<SnapshotStart> {
  const { topic, partition } = from;
  const name = `${topic}/${partition}`;
  const reports = await log.reports(topic);
  const reported = reports.find((report) => report.group === group && report.partition === partition)?.cursor;
  if (reported === undefined) return { cursor: undefined, reported };
  const { start, end } = await foldableEnds(log, topic, partition);
  const stop = (code: string, what: string): OperatingError =>
    new OperatingError(`${name}: ${who} has read up to offset ${reported.offset}, ${what}`, {
      code,
      hint: startOver,
      exitCode: EXIT.mismatch,
    });
  if (reported.offset > end) throw stop('LOG_FORKED', `the log ends at ${end}: this is another log`);
  if (reported.offset < start) {
    const what = `the log begins at ${start}: ${start - reported.offset} messages are gone`;
    throw stop('LOG_TRIMMED', what);
  }
  const fold = new Fold({ name, hasBodies: false, offset: start });
  let cursor: StoredCursor | undefined;
  let last: ChainEnd | undefined;
  if (reported.offset > start) {
    for await (const messages of log.read(topic, partition, start, { isFollowing: false, hasValues: false })) {
      for (const message of messages) {
        if (message.offset >= reported.offset) break;
        const counted = fold.push(message);
        last = fold.chain;
        if (counted?.envelope.isSnapshot !== true) continue;
        const { prev, n, from: raw } = counted.envelope;
        cursor = { offset: counted.firstOffset, id: prev, n: n - 1, to: raw };
      }
      if (fold.nextOffset >= reported.offset) break;
    }
    if (last?.id !== reported.id) throw stop('LOG_FORKED', 'and that is not what counts there: this is another log');
  }
  return { cursor, reported };
}
