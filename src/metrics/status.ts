import type { Family } from './metric-set.ts';

/** What a process of a role is at: `restarting` while it waits to be started again. */
export type RoleState = 'running' | 'restarting' | 'ended';

export interface RoleStatus {
  readonly name: string;
  readonly state: RoleState;
  /** Of the process that runs. */
  readonly pid: number | null;
  /** When it was started, or ended; milliseconds since 1970, as every time here. */
  readonly sinceMs: number;
  readonly restarts: number;
  /** How the process before it ended. */
  readonly lastExit: string | null;
  /** When it last said what it measures. */
  readonly measuredAtMs: number | null;
}

/** Something that happened, as a person reads it. */
export interface StatusEvent {
  readonly atMs: number;
  readonly type: string;
  readonly role: string | null;
  readonly text: string;
}

/** What `/status` answers. */
export interface Status {
  readonly version: string;
  readonly node: string;
  readonly pipeline: string;
  readonly atMs: number;
  readonly startedAtMs: number;
  readonly state: 'running' | 'stopping';
  /** Why it is not ready, a line for each reason; empty when it is. */
  readonly notReady: readonly string[];
  readonly roles: readonly RoleStatus[];
  /** The last ones, oldest first. */
  readonly events: readonly StatusEvent[];
  /** What each process measures, by its name. */
  readonly measures: Readonly<Record<string, readonly Family[]>>;
}
