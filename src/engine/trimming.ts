import type { Log } from '../broker/broker.ts';
import { headerAt } from '../broker/header-at.ts';
import type { AgentMark } from '../epoch/epoch.ts';
import { OperatingError } from '../lib/errors.ts';
import { isMutant } from '../lib/mutant.ts';

export interface TrimRequest {
  readonly log: Log;
  readonly nowMs: number;
  readonly retainMs: number;
  readonly partition: number;
  readonly rawTopic: string;
  readonly epochTopic: string;
  /** First offsets of counted snapshots, oldest first. */
  readonly snapshots: readonly number[];
  /** This task's own committed raw position. */
  readonly committedTo: number;
  readonly agents: readonly AgentMark[];
  /** Whether raw is this task's to trim, or only its own epochs. Default true. */
  readonly trimsRaw?: boolean;
}

export interface Trimmed {
  readonly rawBefore: number;
  readonly epochsBefore: number;
}

/** A task's trimming, beside its work: one at a time, and what a log refuses is told once and holds up nothing. */
export class Trimming {
  readonly #onFailure: (error: OperatingError) => void;
  #running: Promise<void> | undefined;
  #hasFailed = false;
  #bug: unknown;

  constructor(onFailure: (error: OperatingError) => void) {
    this.#onFailure = onFailure;
  }

  /** Leaves it to the next snapshot where one is under way. */
  start(trim: () => Promise<void>): void {
    this.#running ??= trim()
      .then(() => {
        this.#hasFailed = false;
      })
      .catch((error: unknown) => {
        if (!(error instanceof OperatingError)) this.#bug ??= error;
        else if (!this.#hasFailed) this.#onFailure(error);
        this.#hasFailed = true;
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  async ended(): Promise<void> {
    await this.#running;
  }

  /** Throws anything that is not an answer of a log: a bug, which should end the task. */
  throwIfBroken(): void {
    if (this.#bug !== undefined) throw this.#bug;
  }
}

/**
 * The start rule: epochs are trimmed exactly to the older of the last two counted snapshots, once every sink is past it, so that the
 * first record of the partition counts by definition; raw to what no pipeline, no document sink and no agent's last full beat needs,
 * and never what is younger than `retain` (unless the log is half full).
 */
export async function trimAfterSnapshot(request: TrimRequest): Promise<Trimmed> {
  const { log, partition, rawTopic, epochTopic } = request;
  const rawBefore = request.trimsRaw === false ? 0 : await rawLimit(request);
  const rawEnds = (await log.ends(rawTopic))[partition]!;
  if (rawBefore > rawEnds.start) await log.trim(rawTopic, partition, rawBefore);
  const epochsBefore = await epochLimit(request);
  const epochEnds = (await log.ends(epochTopic))[partition]!;
  if (epochsBefore > epochEnds.start) await log.trim(epochTopic, partition, epochsBefore);
  return { rawBefore: Math.max(rawBefore, rawEnds.start), epochsBefore: Math.max(epochsBefore, epochEnds.start) };
}

async function epochLimit({ log, partition, epochTopic, snapshots }: TrimRequest): Promise<number> {
  if (isMutant('trim.past_readers')) return snapshots.at(-1) ?? 0;
  const older = snapshots.at(-2);
  if (older === undefined) return 0;
  const readers = (await log.reports(epochTopic)).filter((report) => report.partition === partition);
  return readers.every((reader) => (reader.cursor?.offset ?? 0) > older) ? older : 0;
}

async function rawLimit(request: TrimRequest): Promise<number> {
  const { log, partition, rawTopic, committedTo, agents } = request;
  if (isMutant('trim.past_readers')) return committedTo;
  // What names the log for an agent that starts is the genesis, or a full beat: until one has come, the genesis stays.
  let limit = agents.length === 0 ? 0 : committedTo;
  for (const agent of agents) limit = Math.min(limit, agent.fullBeatOffset ?? 0);
  for (const report of await log.reports(rawTopic)) {
    if (report.partition === partition) limit = Math.min(limit, report.cursor?.offset ?? 0);
  }
  if (limit === 0) return 0;
  const usage = log.usage?.();
  if (usage !== undefined && usage.bytes > usage.maxBytes / 2) return limit;
  return retained(request, limit);
}

/** The largest offset up to `limit` whose predecessors are all older than `retain`: a binary search by the log's own clock. */
async function retained({ log, partition, rawTopic, nowMs, retainMs }: TrimRequest, limit: number): Promise<number> {
  let low = (await log.ends(rawTopic))[partition]!.start;
  let high = limit;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const message = await headerAt(log, rawTopic, partition, middle);
    if (message !== undefined && message.appendedAtMs < nowMs - retainMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
