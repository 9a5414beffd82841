import { EXIT } from '../lib/errors.ts';

/** How a process ended: exactly one of the two is set. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A role that runs as a process of its own. */
export interface Service {
  readonly name: string;
  /** Arguments after `tailrace`. */
  readonly args: readonly string[];
  /** Whether exit code 0 is its normal end (an agent that reads once); otherwise a service that ends has failed. */
  readonly canFinish: boolean;
  /** Whether it was doing what somebody else asked of it, by what it left behind when it died: then its death may be the question's doing. */
  readonly wasAsked?: (exit: Exit) => boolean;
}

export interface ServiceProcess {
  readonly pid: number;
  /** Resolves when the process is gone; never rejects. */
  readonly exited: Promise<Exit>;
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
}

/** Starts a process for a service. Throws when the machine cannot start one. */
export type StartProcess = (service: Service) => ServiceProcess;

/** It ended for something that a restart alone does not mend, and that is not its own: away, full, or not the log that was read. */
export function isOutside({ code }: Exit): boolean {
  return code === EXIT.unreachable || code === EXIT.mismatch;
}

export function describeExit({ code, signal }: Exit): string {
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}
