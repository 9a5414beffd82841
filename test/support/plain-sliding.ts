// Sliding windows in plain code, line after line, with every line kept in every window: the oracle of the operator, with which it shares nothing.

export interface PlainLine {
  readonly timeMs: number;
  readonly key: readonly (string | number | null)[];
  readonly value: number | null;
  /** The watermark just before the line. */
  readonly watermarkMs: number;
  readonly isBad: boolean;
}

export interface PlainRules {
  readonly sizeMs: number;
  readonly slideMs: number;
  readonly latenessMs: number;
  readonly sinceMs: number;
}

export interface PlainWindow {
  readonly startMs: number;
  readonly key: PlainLine['key'];
  readonly lines: number[];
}

/** A line that missed windows: the first begins and the last ends there. */
export interface PlainMiss {
  readonly line: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly isPart: boolean;
}

export interface PlainOutcome {
  readonly windows: PlainWindow[];
  readonly missed: PlainMiss[];
  readonly filtered: number[];
}

export function plainSliding(lines: readonly PlainLine[], rules: PlainRules): PlainOutcome {
  const { sizeMs, slideMs, latenessMs, sinceMs } = rules;
  const windows = new Map<string, PlainWindow>();
  const outcome = { missed: [] as PlainMiss[], filtered: [] as number[] };
  for (const [i, { timeMs, key, watermarkMs, isBad }] of lines.entries()) {
    if (isBad) continue;
    const starts: number[] = [];
    for (let startMs = Math.floor(timeMs / slideMs) * slideMs; startMs + sizeMs > timeMs; startMs -= slideMs)
      if (startMs >= sinceMs) starts.unshift(startMs);
    if (starts.length === 0) {
      outcome.filtered.push(i);
      continue;
    }
    const over = starts.filter((startMs) => startMs + sizeMs - 1 + latenessMs <= watermarkMs);
    if (over.length > 0) {
      const isPart = over.length < starts.length;
      outcome.missed.push({ line: i, startMs: over[0]!, endMs: over.at(-1)! + sizeMs, isPart });
    }
    for (const startMs of starts.slice(over.length)) {
      const id = JSON.stringify([startMs, key]);
      const window = windows.get(id) ?? { startMs, key, lines: [] };
      window.lines.push(i);
      windows.set(id, window);
    }
  }
  return { windows: [...windows.values()], ...outcome };
}
