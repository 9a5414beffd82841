import type { Cursor, Log } from '../broker/broker.ts';
import { pastTrims } from '../broker/past-trims.ts';
import { foldableEnds } from '../epoch/fold-start.ts';
import { EpochWalk, chainBefore, nameOf } from '../epoch/walk.ts';
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
  const reports = await log.reports(topic);
  const reported = reports.find((report) => report.group === group && report.partition === partition)?.cursor;
  if (reported === undefined) return { cursor: undefined, reported };
  const { start, end } = await foldableEnds(log, topic, partition);
  const stop = (code: string, what: string): OperatingError =>
    new OperatingError(`${nameOf(from)}: ${who} has read up to offset ${reported.offset}, ${what}`, {
      code,
      hint: startOver,
      exitCode: EXIT.mismatch,
    });
  if (reported.offset > end) throw stop('LOG_FORKED', `the log ends at ${end}: this is another log`);
  if (reported.offset < start) {
    const what = `the log begins at ${start}: ${start - reported.offset} messages are gone`;
    throw stop('LOG_TRIMMED', what);
  }
  if (reported.offset === start) return { cursor: undefined, reported };
  const walk = new EpochWalk({ log, topic, partition }, { offset: start, hasBodies: false });
  let cursor: StoredCursor | undefined;
  for await (const epoch of walk.epochs({ before: reported.offset }))
    if (epoch.envelope.isSnapshot) cursor = { offset: epoch.firstOffset, ...chainBefore(epoch) };
  if (walk.chain?.id !== reported.id)
    throw stop('LOG_FORKED', 'and that is not what counts there: this is another log');
  return { cursor, reported };
}
