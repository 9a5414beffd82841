import { EXIT, OperatingError } from '../lib/errors.ts';
import type { RunEnd } from '../roles/run-end.ts';

export function checkEnd({ isOnce, closesAll }: RunEnd, hint: string): void {
  if (isOnce || !closesAll) return;
  throw new OperatingError('--close needs --once: a run without end closes windows as time goes on', {
    code: 'USAGE',
    exitCode: EXIT.usage,
    hint,
  });
}
