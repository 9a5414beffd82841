import type { Log } from '../../src/broker/broker.ts';
import type { Clock } from '../../src/lib/clock.ts';

export interface OpenOptions {
  readonly clock?: Clock;
  readonly diskMaxBytes?: number;
}

/** What not every adapter can do; the contract's tests that need it are left out for those that cannot. */
export const LOG_ABILITIES = ['clock', 'disk_limit', 'damage', 'copy', 'processes'] as const;
export type LogAbility = (typeof LOG_ABILITIES)[number];

/** One store of an adapter under test, empty at first. */
export interface LogHarness {
  /** Another connection to the store; the harness closes it at the end. */
  open(options?: OpenOptions): Promise<Log>;
  /** Spoils the stored bytes of one message. */
  readonly damage?: (topic: string, partition: number, offset: number, part: 'header' | 'value') => void;
  /** Keeps a copy of the store; what it returns puts the copy in the store's place. Nothing may be open at either time. */
  readonly copy?: () => () => void;
  /** How `test/support/log-child.ts` opens the store from another process: a module that exports `openLog(argument)`. */
  readonly child?: { readonly module: string; readonly argument: string };
  close(): Promise<void>;
}
