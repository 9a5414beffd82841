/**
 * Named places where a crash must repeat work and never effect (docs/DESIGN.md says for each why it is safe).
 * Inert unless the environment arms one at start: `TAILRACE_FAULT=engine.before_append:3` kills this process with
 * SIGKILL at the third pass; `TAILRACE_FAULT_LOG` names a file that gets the point's name first.
 */
export const FAULT_POINTS = [
  'agent.read',
  'agent.sent',
  'agent.acked',
  'agent.registered',
  'log.before_commit',
  'log.after_commit',
  'engine.folded',
  'engine.processed',
  'engine.before_append',
  'engine.after_append',
  'engine.snapshot_half',
  'warehouse.folded',
  'warehouse.before_commit',
  'warehouse.after_commit',
  'warehouse.checkpoint',
  'documents.bulk_sent',
  'documents.bulk_acked',
  'events.before_send',
  'events.sent',
] as const;
export type FaultPoint = (typeof FAULT_POINTS)[number];

type FaultHandler = (point: FaultPoint) => void;

let handler: FaultHandler | undefined = handlerFromEnvironment();

/** Marks a fault point. Once per block or epoch, never per line. */
export function faultPoint(point: FaultPoint): void {
  if (handler !== undefined) handler(point);
}

/** For simulations in one process: what happens at every fault point. A handler may throw to stand for a crash. */
export function setFaultHandler(next: FaultHandler | undefined): void {
  handler = next;
}

function handlerFromEnvironment(): FaultHandler | undefined {
  const armed = process.env['TAILRACE_FAULT'];
  if (armed === undefined || armed === '') return undefined;
  const [name, count = '1'] = armed.split(':');
  let passesLeft = Number(count);
  return (point) => {
    if (point !== name || --passesLeft > 0) return;
    const logPath = process.env['TAILRACE_FAULT_LOG'];
    if (logPath !== undefined) process.getBuiltinModule('node:fs').appendFileSync(logPath, `${point} ${process.pid}\n`);
    process.kill(process.pid, 'SIGKILL');
    // SIGKILL is delivered before the next instruction that enters the kernel: wait for it, so that nothing past the point runs.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10_000);
  };
}
