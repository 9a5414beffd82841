// Tables over tables in plain code: line by line, every row a list of what is in it. The oracle of the engine's chains, without its code.

export interface PlainTable {
  readonly name: string;
  /** `lines`, or the name of a table before it. */
  readonly from: string;
  /** Size of a tumbling or sliding window, or gap of a session. */
  readonly window: { readonly sizeMs: number; readonly slideMs?: number } | { readonly gapMs: number };
  readonly isKeyed: boolean;
  readonly latenessMs: number;
  /** It takes the members where a value is there and not less. */
  readonly where?: AtLeast;
  /** Name → what is taken of the members, and how: of those values alone that are `least` or more. */
  readonly measures: Readonly<
    Record<string, readonly [how: 'count' | 'sum' | 'max' | 'avg', of?: string, least?: number]>
  >;
}

export interface AtLeast {
  readonly of: string;
  readonly least: number;
}

export type Member = Readonly<Record<string, number | string | null>> & {
  readonly time: number;
  readonly key: string | null;
};

export type LogEntry =
  | { readonly type: 'line'; readonly time: number; readonly key: string | null; readonly value: number }
  /** Everything was quiet for long: the agent's clock. */
  | { readonly type: 'idle'; readonly time: number };

export interface PlainRow {
  readonly table: string;
  readonly key: string | null;
  readonly startMs: number;
  endMs: number;
  members: readonly Member[];
  isFinal: boolean;
}

export class PlainChain {
  readonly rows: PlainRow[] = [];
  readonly late = new Map<string, number>();
  watermarkMs = -Infinity;
  readonly #tables: readonly PlainTable[];
  readonly #boundMs: number;
  #newestMs = -Infinity;

  constructor(tables: readonly PlainTable[], boundMs: number) {
    this.#tables = tables;
    this.#boundMs = boundMs;
  }

  take(entry: LogEntry): void {
    if (entry.type === 'idle') {
      this.#idle(entry.time);
      return;
    }
    const { time, key, value } = entry;
    for (const table of this.#tables)
      if (table.from === 'lines') this.#put(table, { time, key, value }, this.watermarkMs);
    this.#newestMs = Math.max(this.#newestMs, time);
    this.#move(this.#newestMs - this.#boundMs - 1);
  }

  /** Goes on while the clock moves: what became final makes rows that end later. */
  #idle(timeMs: number): void {
    for (;;) {
      const waiting = this.rows.filter(({ isFinal }) => !isFinal).map((row) => this.#finalAt(row));
      if (!this.#move(Math.min(timeMs - this.#boundMs - 1, Math.max(-Infinity, ...waiting)))) return;
    }
  }

  #move(toMs: number): boolean {
    const beforeMs = this.watermarkMs;
    if (!(toMs > beforeMs)) return false;
    this.watermarkMs = toMs;
    for (const table of this.#tables) {
      const due = this.rows.filter((row) => row.table === table.name && !row.isFinal && this.#finalAt(row) <= toMs);
      due.sort((left, right) => left.endMs - right.endMs);
      for (const row of due) {
        row.isFinal = true;
        for (const reader of this.#tables.filter(({ from }) => from === table.name))
          this.#put(reader, { ...this.results(row), time: row.endMs - 1, key: row.key }, beforeMs);
      }
    }
    return true;
  }

  /** `beforeMs`: the partition's watermark just before. */
  #put(table: PlainTable, member: Member, beforeMs: number): void {
    const { where } = table;
    if (where !== undefined && !(Number(member[where.of] ?? Number.NaN) >= where.least)) return;
    const alone = this.#alone(table, member).filter((row) => this.#join(table, row, beforeMs));
    if (alone.length === 0) this.late.set(table.name, (this.late.get(table.name) ?? 0) + 1);
  }

  /** False where its window has ended. */
  #join(table: PlainTable, own: PlainRow, beforeMs: number): boolean {
    const open = this.rows.filter(
      (row) => row.table === table.name && row.key === own.key && this.#finalAt(row) > beforeMs,
    );
    const isSession = 'gapMs' in table.window;
    const near = open.filter((row) =>
      isSession ? row.startMs <= own.endMs && own.startMs <= row.endMs : row.startMs === own.startMs,
    );
    if (near.length === 0 && this.#finalAt(own) <= beforeMs) return false;
    for (const row of near) this.rows.splice(this.rows.indexOf(row), 1);
    const all = [own, ...near];
    this.rows.push({
      ...own,
      startMs: Math.min(...all.map(({ startMs }) => startMs)),
      endMs: Math.max(...all.map(({ endMs }) => endMs)),
      members: all.flatMap(({ members }) => members),
    });
    return true;
  }

  /** The rows that it would make if nothing else were there. */
  #alone({ name, window, isKeyed }: PlainTable, member: Member): PlainRow[] {
    const row = { table: name, key: isKeyed ? member.key : null, members: [member], isFinal: false };
    if ('gapMs' in window) return [{ ...row, startMs: member.time, endMs: member.time + window.gapMs }];
    const { sizeMs, slideMs = sizeMs } = window;
    const rows: PlainRow[] = [];
    for (let startMs = Math.floor(member.time / slideMs) * slideMs; startMs > member.time - sizeMs; startMs -= slideMs)
      rows.push({ ...row, startMs, endMs: startMs + sizeMs });
    return rows;
  }

  #finalAt({ table, endMs }: PlainRow): number {
    return endMs - 1 + this.#latenessOf(table);
  }

  /** Its own, and that of every table below it. */
  #latenessOf(name: string): number {
    const table = this.#tables.find((one) => one.name === name);
    return table === undefined ? 0 : table.latenessMs + this.#latenessOf(table.from);
  }

  /** What a row says, by the names of its columns. */
  results({ table, startMs, endMs, members }: PlainRow): Record<string, number | null> {
    const { measures, window } = this.#tables.find(({ name }) => name === table)!;
    const values = Object.entries(measures).map(([name, [how, of = '', least = -Infinity]]) => {
      const there = members
        .map((member) => member[of])
        .filter((value): value is number => typeof value === 'number' && value >= least);
      const sum = there.reduce((total, value) => total + value, 0);
      if (how === 'count') return [name, of === '' ? members.length : there.length];
      if (there.length === 0) return [name, null];
      return [name, how === 'sum' ? sum : how === 'max' ? Math.max(...there) : sum / there.length];
    });
    const own = { window_start: startMs, window_end: endMs, lines: members.length };
    const ofSession = 'gapMs' in window ? { duration_ms: endMs - window.gapMs - startMs } : {};
    return { ...own, ...ofSession, ...Object.fromEntries(values) };
  }
}
