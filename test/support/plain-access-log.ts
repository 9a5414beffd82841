/**
 * What an access log must become, by the plainest code there is: one regular expression, maps, a loop. It shares nothing with the
 * product and judges lateness line by line, in the order of the file.
 */
export interface PlainFacts {
  readonly good: number;
  /** Lines that are none, as they stand in the file (latin1, so that bytes stay bytes). */
  readonly dead: readonly string[];
  readonly statuses: Readonly<Record<string, number>>;
  readonly bytes: number;
  readonly clients: number;
  /** Lines whose window was closed when they came, and windows that got a line. */
  readonly late: number;
  readonly windows: number;
}

const QUOTED = String.raw`"(?:[^"\\]|\\.)*"`;
const LINE = new RegExp(String.raw`^(\S+) \S+ \S+ \[([^\]]*)\] ${QUOTED} (\d{3}|-) (\d+|-) ${QUOTED} ${QUOTED}$`);
const TIME = /^(\d\d)\/(\w{3})\/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)$/;

export function plainFacts(file: Buffer, windowMs: number, outOfOrdernessMs: number): PlainFacts {
  const dead: string[] = [];
  const statuses: Record<string, number> = {};
  const clients = new Set<string>();
  const windows = new Set<number>();
  let [good, bytes, late] = [0, 0, 0];
  let newestMs = -Infinity;
  for (const line of file.toString('latin1').replace(/\n$/, '').split('\n')) {
    const [, client, time, status, size] = LINE.exec(line.replace(/\r$/, '')) ?? [];
    const timeMs = Date.parse((time ?? '').replace(TIME, '$2 $1 $3 $4 GMT$5$6'));
    if (Number.isNaN(timeMs)) {
      dead.push(line.replace(/\r$/, ''));
      continue;
    }
    good++;
    statuses[status!] = (statuses[status!] ?? 0) + 1;
    bytes += size === '-' ? 0 : Number(size);
    clients.add(client!);
    const window = Math.floor(timeMs / windowMs);
    if ((window + 1) * windowMs - 1 <= newestMs - outOfOrdernessMs - 1) late++;
    else windows.add(window);
    newestMs = Math.max(newestMs, timeMs);
  }
  return { good, dead, statuses, bytes, clients: clients.size, late, windows: windows.size };
}
