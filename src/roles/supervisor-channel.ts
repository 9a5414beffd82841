import type { AgentEvent } from '../agent/events.ts';
import type { Family } from '../metrics/metric-set.ts';
import type { ClusterEvent } from './cluster-text.ts';

type ProgressEvent = Extract<AgentEvent, { type: 'progress' }>;
/** How far the files are, by the agent's count. */
export type FileProgress = Omit<ProgressEvent, 'type'>;
export type Readability = Extract<AgentEvent, { type: 'unreadable' }> | Extract<AgentEvent, { type: 'readable' }>;

/** What a role tells its supervisor, beside the lines it prints. */
export type RoleMessage = ClusterEvent | ProgressEvent | Readability | Worked | Measures;

/** It has done some of its work (work-watch.ts): what ends it from here on is not what ended it before. Once a process. */
export interface Worked {
  readonly type: 'worked';
}

/** All that a role measures, once a second. */
export interface Measures {
  readonly type: 'measures';
  readonly families: readonly Family[];
}

const TYPES: readonly unknown[] = [
  'cluster',
  'progress',
  'unreadable',
  'readable',
  'worked',
  'measures',
] satisfies RoleMessage['type'][];

/** False where there is no supervisor. */
export function tellSupervisor(message: RoleMessage): boolean {
  if (process.send === undefined) return false;
  process.send(message);
  return true;
}

/** In the supervisor: its roles are this program, of this version. */
export function isRoleMessage(message: unknown): message is RoleMessage {
  return typeof message === 'object' && message !== null && 'type' in message && TYPES.includes(message.type);
}
