import { EXIT, OperatingError } from '../lib/errors.ts';

/** Whether a run ends by itself, and what its end means. */
export interface RunEnd {
  readonly isOnce: boolean;
  /** With `isOnce`: nothing will follow, so every window closes. Else the end is a pause, and what is not over goes on in the next run. */
  readonly closesAll: boolean;
}

export function checkEnd({ isOnce, closesAll }: RunEnd, hint: string): void {
  if (isOnce || !closesAll) return;
  throw new OperatingError('--close needs --once: a run without end closes windows as time goes on', {
    code: 'USAGE',
    exitCode: EXIT.usage,
    hint,
  });
}
