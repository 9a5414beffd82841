import { Agent, type AgentEvent, type AgentInput, DEFAULT_LIMITS } from '../agent/agent.ts';
import { openFilesWithin, processFilesMax } from '../agent/open-files.ts';
import { rawTopic } from '../broker/broker.ts';
import type { Config } from '../config/config.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import { METRICS } from '../metrics/catalogue.ts';
import type { Meter } from '../metrics/meter.ts';
import type { AgentRoleEvent } from './agent-text.ts';
import { sourcesOf } from './input-sources.ts';
import type { RunEnd } from './run-end.ts';
import type { Components, RoleContext } from './definitions.ts';
import { tellSupervisor } from './supervisor-channel.ts';

export async function runAgent(
  { config, components, dataDir, clock, log, meter, signal, notify }: RoleContext<AgentRoleEvent>,
  { isOnce, closesAll }: RunEnd,
): Promise<void> {
  const limits = { openFilesMax: openFilesWithin(processFilesMax(), DEFAULT_LIMITS.openFilesMax) };
  const inputs = await agentInputs(config, components);
  const options = { dataDir: dataDir.root, inputs, isOnce, closesAll, limits, ...agentId(config) };
  const measure = agentMeasures(meter);
  const tell = (event: AgentEvent): void => {
    measure(event);
    // The supervisor draws its progress line from these, and says which files are not in the result.
    if (event.type === 'progress' || event.type === 'unreadable' || event.type === 'readable') tellSupervisor(event);
    notify(event);
  };
  await new Agent({ clock, log, options, notify: tell }).run(signal);
}

function agentMeasures(meter: Meter): (event: AgentEvent) => void {
  const heldUp = new Set<string>();
  const showHeldUp = (): void => meter.set(METRICS.agentHeldUp, {}, heldUp.size);
  showHeldUp();
  return (event) => {
    if (event.type === 'progress') {
      meter.set(METRICS.agentLines, {}, event.lines);
      meter.set(METRICS.agentBytes, {}, event.bytesSent);
      meter.set(METRICS.agentUnsent, {}, Math.max(0, event.bytesKnown - event.bytesSent));
    } else if (event.type === 'backpressure_began' || event.type === 'backpressure_ended') {
      const key = `${event.topic}/${event.partition}`;
      if (event.type === 'backpressure_began') heldUp.add(key);
      else heldUp.delete(key);
      showHeldUp();
    }
  };
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

/** What the configuration says, as the agent takes it; reads the files of certificates. Without what another agent reads. */
export async function agentInputs(config: Config, components: Components): Promise<AgentInput[]> {
  const found: AgentInput[] = [];
  for (const { input, definition } of sourcesOf(config, components)) {
    const stream = config.pipeline.streams[input.stream]!;
    const isJson = components.codecs[stream.codec.type]?.isJson === true;
    const topic = rawTopic(config.broker.topicPrefix, input.stream);
    const target = { topic, partitions: stream.partitions, isJson, ownPrefix: config.broker.topicPrefix };
    const own = await definition.agentInput(input, target, config.agent.id);
    if (own !== undefined) found.push(own);
  }
  return found;
}
