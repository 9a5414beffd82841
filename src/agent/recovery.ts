import { mkdirSync } from 'node:fs';
import { EXIT, OperatingError } from '../lib/errors.ts';
import type { Log, PartitionEnds } from '../broker/broker.ts';
import { pastTrims } from '../broker/past-trims.ts';
import { type Beat, decodeBeat, type SourceReport } from '../record/beat.ts';
import { type BlockHeader, decodeBlockHeader } from '../record/block.ts';
import { decodeGenesis } from '../record/control.ts';
import { emptySum } from '../record/line-id.ts';
import { agentOf, lineHashSeeds, numberOf } from '../record/source.ts';
import { addOffset } from './line-framing.ts';
import { type Sample, joinSamples } from './content-samples.ts';
import type { Notify } from './events.ts';
import {
  type Counted,
  emptyRegistry,
  loadAgentId,
  loadRegistry,
  type Registry,
  type RegistryEntry,
  saveAgentId,
} from './registry.ts';

/** A partition of raw that the agent writes to. */
export interface LaneName {
  readonly topic: string;
  readonly partition: number;
}

export function laneKey(lane: LaneName): string {
  return `${lane.topic}/${lane.partition}`;
}

/**
 * How far numbers jump when the registry was lost: announcements of its last numbers may still be on their way to the log, and a
 * number must never name two sources.
 */
const LOST_NUMBERS = 1_000_000;

/** Of one source: as many as it keeps of its own. */
const SAMPLES_MAX = 8;

type KnownSource = SourceReport & {
  readonly topic: string;
  /** Up to `position` as long as every block behind it lists its lines, as those of topics do. */
  readonly counted?: Counted;
  /** Ends of blocks that the log has behind the report. */
  readonly samples?: readonly Sample[];
};

/** What the log says of one agent: the newest report of each source, moved on by the blocks behind it. */
interface AgentInLog {
  readonly reports: Map<number, KnownSource>;
  numberMax: number;
}

export interface Recovered {
  readonly registry: Registry;
  /** Nothing was on disk although the log knows this agent. */
  readonly isRebuilt: boolean;
}

/**
 * What the agent knows when it starts: its registry, brought up to date with the beats the log holds after it. A lost registry
 * is rebuilt from the log alone, a rolled-back one is caught up, so a number is never given twice. `mintId` makes a new agent's id.
 *
 * Throws an OperatingError when the log is not the one the registry speaks of, or when it cannot be told which agent this is.
 */
export async function recover(options: {
  readonly dataDir: string;
  readonly agentId: string | undefined;
  readonly log: Log;
  readonly lanes: readonly LaneName[];
  readonly mintId: () => string;
  readonly notify: Notify;
}): Promise<Recovered> {
  const { dataDir, log, lanes } = options;
  mkdirSync(dataDir, { recursive: true });
  const saved = loadRegistry(dataDir);
  const agents = new Map<string, AgentInLog>();
  if (saved !== undefined) {
    agents.set(saved.agent, {
      reports: new Map(saved.sources.map((entry) => [entry.number, asReport(entry)])),
      numberMax: 0,
    });
  }
  const logs: Record<string, { log: string; offset: number }> = { ...saved?.logs };
  for (const lane of lanes) {
    const known = saved?.logs[laneKey(lane)];
    logs[laneKey(lane)] = await pastTrims(log, [lane], () => readLane(log, lane, known, agents));
  }

  const storedId = loadAgentId(dataDir);
  const agent = options.agentId ?? storedId ?? saved?.agent ?? adoptId(agents) ?? options.mintId();
  if (saved !== undefined && saved.agent !== agent) {
    throw new OperatingError(`the registry in ${dataDir} belongs to agent ${saved.agent}, this is agent ${agent}`, {
      code: 'AGENT_MISMATCH',
      exitCode: EXIT.config,
      hint: 'give each agent a data_dir of its own',
    });
  }
  if (storedId !== agent) saveAgentId(dataDir, agent);
  const isRebuilt = saved === undefined && (storedId !== undefined || agents.has(agent));
  const merged = merge(saved ?? emptyRegistry(agent), agents.get(agent), logs);
  const registry = isRebuilt ? { ...merged, nextNumber: merged.nextNumber + LOST_NUMBERS } : merged;
  if (isRebuilt) options.notify({ type: 'registry_rebuilt', agent, sources: registry.sources.length });
  return { registry, isRebuilt };
}

/** Folds the beats from the registry's offset (or the partition's start) to the end; returns the log's id and its end. */
async function readLane(
  log: Log,
  lane: LaneName,
  known: { readonly log: string; readonly offset: number } | undefined,
  agents: Map<string, AgentInLog>,
): Promise<{ log: string; offset: number }> {
  const ends: PartitionEnds | undefined = (await log.ends(lane.topic))[lane.partition];
  if (ends === undefined)
    throw new OperatingError(`${laneKey(lane)} is not in the log`, { code: 'LOG_PARTITION_MISSING' });
  let logId = await genesisOf(log, lane, ends);
  if (known !== undefined && ((logId !== undefined && logId !== known.log) || known.offset > ends.end)) {
    throw forked(lane, known.log, logId);
  }
  const from = known === undefined ? ends.start : Math.max(known.offset, ends.start);
  if (from < ends.end) {
    for await (const batch of log.read(lane.topic, lane.partition, from, { isFollowing: false, hasValues: false })) {
      for (const message of batch) {
        if (message.damaged !== undefined) continue;
        if (message.kind === 'block') foldBlock(agents, decodeBlockHeader(message.header));
        if (message.kind !== 'beat') continue;
        const beat = decodeBeat(message.header);
        logId ??= beat.log;
        foldBeat(agents, lane.topic, beat);
      }
    }
  }
  logId ??= known?.log;
  if (logId === undefined) {
    throw new OperatingError(`${laneKey(lane)} is trimmed and has no beat that names its log`, { code: 'LOG_UNKNOWN' });
  }
  if (known !== undefined && known.log !== logId) throw forked(lane, known.log, logId);
  return { log: logId, offset: ends.end };
}

/** The log's id if its first record is still there. */
async function genesisOf(log: Log, lane: LaneName, ends: PartitionEnds): Promise<string | undefined> {
  if (ends.start > 0 || ends.end === 0) return undefined;
  const options = { isFollowing: false, hasValues: false, batchBytesMax: 1 };
  for await (const batch of log.read(lane.topic, lane.partition, 0, options)) {
    const first = batch[0];
    return first?.kind === 'genesis' && first.damaged === undefined ? decodeGenesis(first.header).log : undefined;
  }
  return undefined;
}

function forked(lane: LaneName, known: string, found: string | undefined): OperatingError {
  const what =
    found === undefined || found === known
      ? 'ends before what this agent has written'
      : `is log ${found}, not ${known}`;
  return new OperatingError(`${laneKey(lane)} ${what}`, {
    code: 'LOG_FORKED',
    exitCode: EXIT.mismatch,
    hint: 'bring the old log back; or, to read every file again into this one, start with an empty data_dir',
  });
}

function asReport(entry: RegistryEntry): KnownSource {
  return { ...entry, state: entry.closedBy === undefined ? 'reading' : 'closed' };
}

/** Moves a source on by the block rule, as every reader does: what the log has need not be sent again. */
function foldBlock(agents: ReadonlyMap<string, AgentInLog>, block: BlockHeader): void {
  const agent = agents.get(agentOf(block.source));
  const report = agent?.reports.get(numberOf(block.source));
  if (agent === undefined || report === undefined || report.identity !== block.identity) return;
  if (block.prev > report.position || block.end <= report.position) return;
  if (block.start === report.position && block.tail !== report.tail) return;
  const { end: position, endTail: tail, readAtMs: quietSinceMs } = block;
  const counted = countedOver(report, block);
  const samples = [...(report.samples ?? []), [position, tail] as const].slice(-SAMPLES_MAX);
  agent.reports.set(report.number, { ...report, position, tail, quietSinceMs, ...counted, samples });
}

/** The count with the new lines of a block, where its header lists them: a topic is not read again to count what was sent. */
function countedOver({ counted, position }: KnownSource, block: BlockHeader): { readonly counted?: Counted } {
  if (counted?.upTo !== position || block.offsets === undefined) return {};
  const sum = { ...counted.sum };
  const seeds = lineHashSeeds(block.source);
  for (const offset of block.offsets) if (offset >= position) addOffset(sum, seeds, offset);
  return { counted: { upTo: block.end, sum } };
}

function foldBeat(agents: Map<string, AgentInLog>, topic: string, beat: Beat): void {
  const agent = agents.get(beat.agent) ?? { reports: new Map(), numberMax: 0 };
  agents.set(beat.agent, agent);
  agent.numberMax = Math.max(agent.numberMax, beat.numberMax ?? 0);
  for (const report of beat.sources) {
    const known = agent.reports.get(report.number);
    if (known === undefined || report.position >= known.position) {
      const counted = known?.counted ?? (report.position === report.origin ? begun(report.origin) : undefined);
      const samples = known?.samples === undefined ? {} : { samples: known.samples };
      agent.reports.set(report.number, { ...report, topic, ...samples, ...(counted === undefined ? {} : { counted }) });
    }
    agent.numberMax = Math.max(agent.numberMax, report.number);
  }
}

/** Nothing was read, and nothing counted. */
function begun(origin: number): Counted {
  return { upTo: origin, sum: emptySum() };
}

function adoptId(agents: ReadonlyMap<string, AgentInLog>): string | undefined {
  if (agents.size > 1) {
    throw new OperatingError(`the log knows ${agents.size} agents and this data_dir does not say which one this is`, {
      code: 'AGENT_AMBIGUOUS',
      exitCode: EXIT.config,
      hint: `put its agent.json back, which names one of ${[...agents.keys()].join(', ')}`,
    });
  }
  return agents.keys().next().value;
}

function merge(saved: Registry, inLog: AgentInLog | undefined, logs: Registry['logs']): Registry {
  const entries = new Map(saved.sources.map((entry) => [entry.number, entry]));
  for (const report of inLog?.reports.values() ?? []) {
    const entry = entries.get(report.number);
    if (report.state === 'forgotten') entries.delete(report.number);
    else if (entry === undefined) entries.set(report.number, rebuiltEntry(report));
    else if (entry.isRewound !== true && report.position >= entry.position)
      entries.set(report.number, caughtUpEntry(entry, report));
  }
  return {
    ...saved,
    nextNumber: Math.max(saved.nextNumber, (inLog?.numberMax ?? 0) + 1),
    logs,
    sources: [...entries.values()].toSorted((left, right) => left.number - right.number),
  };
}

function rebuiltEntry(report: KnownSource): RegistryEntry {
  const { number, topic, input, kind, identity, origin, position, tail, path, quietSinceMs } = report;
  const entry = { number, topic, input, kind, identity, origin, position, tail, path, quietSinceMs };
  return caughtUpEntry({ ...entry, possibleLossBytes: 0, possibleDoubleBytes: 0, counted: begun(origin) }, report);
}

/** The entry with what a later beat says. Lines counted so far stay; those up to the new position are counted from the file. */
function caughtUpEntry(entry: RegistryEntry, report: KnownSource): RegistryEntry {
  const { position, tail, quietSinceMs, sum, counted } = report;
  const { possibleLossBytes = entry.possibleLossBytes, possibleDoubleBytes = entry.possibleDoubleBytes } = report;
  return {
    ...entry,
    position,
    tail,
    quietSinceMs,
    possibleLossBytes,
    possibleDoubleBytes,
    samples: joinSamples(entry.samples, report.samples),
    ...(counted?.upTo === position ? { counted } : {}),
    ...(sum === undefined ? {} : { counted: { upTo: position, sum } }),
    ...(report.state === 'closed'
      ? { closedBy: entry.closedBy ?? 'missing', closedAtMs: entry.closedAtMs ?? quietSinceMs }
      : {}),
  };
}
