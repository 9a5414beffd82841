import { escapeText } from '../lib/escape.ts';
import { formatCount } from '../lib/units.ts';
import { type SupervisorEvent, supervisorText } from '../supervisor/supervisor.ts';
import { type ClusterEvent, clusterText } from './cluster-text.ts';
import type { LogState } from './log-watch.ts';
import type { FileProgress } from './supervisor-channel.ts';

/** What a run tells of itself and of its roles. */
export type RunEvent =
  | SupervisorEvent
  | ClusterEvent
  /** What is allowed about its data_dir, and still worth a word. */
  | { readonly type: 'data_dir'; readonly note: string }
  | { readonly type: 'role_line'; readonly role: string; readonly line: string }
  /** Ten times a second while the log is caught up with; `missing` is what is waited for. */
  | {
      readonly type: 'progress';
      readonly state: LogState;
      readonly files: FileProgress | undefined;
      readonly missing: string;
    }
  | { readonly type: 'caught_up'; readonly lines: number }
  /** It answers what it knows of itself there. */
  | { readonly type: 'observed'; readonly address: string }
  | { readonly type: 'following' }
  | { readonly type: 'stopping' };

/** What a person should know of a run, as a line; progress is drawn in place. */
export function runText(event: Exclude<RunEvent, { type: 'progress' }>): string {
  switch (event.type) {
    case 'cluster':
      return clusterText(event);
    case 'data_dir':
      return event.note;
    case 'role_line':
      return `${event.role}: ${escapeText(event.line)}`;
    case 'caught_up':
      return `caught up: ${formatCount(event.lines)} lines`;
    case 'observed':
      return `metrics on ${event.address}/metrics`;
    case 'following':
      return 'following; Ctrl-C stops';
    case 'stopping':
      return 'stopping: what is in flight is finished; once more kills';
    default:
      return supervisorText(event);
  }
}
