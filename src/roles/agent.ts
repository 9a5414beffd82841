import { Agent, type AgentEvent, type AgentInput, DEFAULT_LIMITS } from '../agent/agent.ts';
import { openFilesWithin, processFilesMax } from '../agent/open-files.ts';
import { rawTopic } from '../broker/broker.ts';
import type { Config } from '../config/config.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import { formatDuration } from '../lib/units.ts';
import { kafkaClientOptions } from './kafka-broker.ts';
import { HeldPartitions } from './held-partitions.ts';
import { say } from '../cli/output.ts';
import type { RunEnd } from './run-end.ts';
import type { RoleContext } from './role.ts';

export async function runAgent(
  { config, dataDir, clock, log, signal }: RoleContext,
  { isOnce, closesAll }: RunEnd,
): Promise<void> {
  const limits = { openFilesMax: openFilesWithin(processFilesMax(), DEFAULT_LIMITS.openFilesMax) };
  const inputs = agentInputs(config);
  const options = { dataDir: dataDir.root, inputs, isOnce, closesAll, limits, ...agentId(config) };
  const held = new HeldPartitions();
  const notify = (event: AgentEvent): void => {
    // The supervisor draws its progress line from these, and says which files are not in the result; nobody else listens.
    if (event.type === 'progress' || event.type === 'unreadable' || event.type === 'readable') process.send?.(event);
    const line = describeAgentEvent(event, held);
    if (line !== undefined) say(line);
  };
  await new Agent({ clock, log, options, notify }).run(signal);
}

/** Many agents share a Kafka: what is not named cannot be told from another when its disk is lost. */
export function agentId({ agent, broker }: Config): { readonly agentId?: string } {
  if (agent.id !== null) return { agentId: agent.id };
  if (broker.type === 'embedded') return {};
  throw new OperatingError('on Kafka an agent needs an id of its own, and agent.id is not set', {
    code: 'AGENT_ID_MISSING',
    hint: 'write agent: { id: … } with what uuidgen prints, or set TAILRACE_AGENT_ID on each host',
    exitCode: EXIT.config,
  });
}

/** What the configuration says, as the agent takes it; reads the files of certificates. */
export function agentInputs({ inputs, pipeline, broker, agent }: Config): AgentInput[] {
  const own = inputs.filter((input) => input.type === 'file' || input.agent === null || input.agent === agent.id);
  return own.map((input) => {
    const stream = pipeline.streams[input.stream]!;
    const target = { topic: rawTopic(broker.topicPrefix, input.stream), partitions: stream.partitions };
    if (input.type === 'file') return { ...input, ...target };
    const { connection, agent: _agent, ...rest } = input;
    const isJson = stream.codec.type === 'json';
    const ownPrefix = broker.topicPrefix;
    return { ...rest, ...target, isJson, ownPrefix, client: kafkaClientOptions(connection) };
  });
}

function describeAgentEvent(event: AgentEvent, held: HeldPartitions): string | undefined {
  switch (event.type) {
    case 'unreadable':
      return `${event.path}: ${event.reason} (${event.hint})`;
    case 'readable':
      return `${event.path} can be read again`;
    case 'lines_cut':
      return `${event.path} has lines longer than ${event.lineBytesMax} bytes: they are cut there (raise line_bytes_max)`;
    case 'hole_skipped':
      return `${event.path}: ${event.holeBytes} zero bytes from byte ${event.start} on are no text: they are passed over, and the lines behind them are read (a crash, or a truncation while a writer kept its offset: let it open the log with O_APPEND)`;
    case 'records_missed':
      return `${event.records > 0 ? 'ALARM ' : ''}${event.path}: ${event.reason}${event.records > 0 ? `: ${event.records} records may be lost` : ''} (${event.hint})`;
    case 'copy_held':
      return `${event.path} has the content of ${event.of}: it is read when that is gone, or when both are still there in ${formatDuration(Math.ceil(event.graceMs / 1000) * 1000)}`;
    case 'copy_kept':
      return `${event.path} and ${event.of} both stayed: ${event.path} is read as a file of its own, lines that are in both count twice`;
    case 'possible_double':
      return `ALARM ${event.path} begins as a file that was read before: ${event.bytes} bytes may count twice`;
    case 'source_closed':
      return event.possibleLossBytes > 0
        ? `ALARM ${event.path} was ${event.reason} before it was read to its end: ${event.possibleLossBytes} bytes may be lost`
        : undefined;
    case 'backpressure_began':
    case 'backpressure_ended':
      return held.line(event);
    case 'registry_rebuilt':
      return `the registry was lost: rebuilt for ${event.sources} sources from the log`;
    default:
      return undefined;
  }
}
