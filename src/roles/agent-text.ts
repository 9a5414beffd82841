import type { AgentEvent } from '../agent/events.ts';
import { formatDuration } from '../lib/units.ts';
import { HeldPartitions } from './held-partitions.ts';
import { type ClusterEvent, clusterText } from './cluster-text.ts';

export type AgentRoleEvent = AgentEvent | ClusterEvent;

/** What a person should know of one agent, as a line; most of what it does is nobody's business. It remembers which partitions are held up. */
export function agentText(): (event: AgentRoleEvent) => string | undefined {
  const held = new HeldPartitions();
  return (event) => (event.type === 'cluster' ? clusterText(event) : textOf(event, held));
}

function textOf(event: AgentEvent, held: HeldPartitions): string | undefined {
  switch (event.type) {
    case 'unreadable':
      return `${event.path}: ${event.reason} (${event.hint})`;
    case 'readable':
      return `${event.path} can be read again`;
    case 'lines_cut':
      return `${event.path} has lines longer than ${event.lineBytesMax} bytes: they are cut there (raise line_bytes_max)`;
    case 'hole_skipped':
      return `${event.path}: ${event.holeBytes} zero bytes from byte ${event.start} on are not text: they are passed over, and the lines behind them are read (a crash, or a truncation while a writer kept its offset: let it open the log with O_APPEND)`;
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
