// Sessions in plain code, line after line, with all lines in memory: the oracle of the operator. It shares no code with it but the aggregates.
import type { AggregateDefinition } from '../../src/aggregates/aggregate.ts';
import type { MeasureSpec } from '../../src/epoch/table.ts';

export interface PlainLine {
  readonly timeMs: number;
  readonly key: readonly (string | number | null)[];
  readonly value: number | null;
  /** The watermark just before the line. */
  readonly watermarkMs: number;
  readonly isBad: boolean;
}

export interface PlainRules {
  readonly gapMs: number;
  readonly lengthMsMax: number;
  readonly latenessMs: number;
  readonly sinceMs: number;
  readonly sum: AggregateDefinition;
}

export interface PlainSession {
  readonly key: PlainLine['key'];
  /** Number of the line that began it. */
  readonly begun: number;
  readonly lines: readonly number[];
  readonly firstMs: number;
  readonly lastMs: number;
  readonly revision: number;
}

export interface PlainOutcome {
  readonly sessions: PlainSession[];
  readonly late: number[];
  readonly filtered: number[];
}

export function plainSessions(lines: readonly PlainLine[], rules: PlainRules): PlainOutcome {
  const { gapMs, lengthMsMax, latenessMs, sinceMs } = rules;
  const outcome: PlainOutcome = { sessions: [], late: [], filtered: [] };
  let open: PlainSession[] = [];
  const overAt = (lastMs: number): number => lastMs + gapMs - 1 + latenessMs;
  for (const [i, { timeMs, key, watermarkMs, isBad }] of lines.entries()) {
    outcome.sessions.push(...open.filter((one) => overAt(one.lastMs) <= watermarkMs));
    open = open.filter((one) => overAt(one.lastMs) > watermarkMs);
    if (isBad) continue;
    if (timeMs < sinceMs) {
      outcome.filtered.push(i);
      continue;
    }
    let whole: PlainSession = { key, begun: i, lines: [i], firstMs: timeMs, lastMs: timeMs, revision: 0 };
    let hasFired = false;
    let isJoined = false;
    // In the order of their birth: the list is kept so.
    for (const one of open.filter((other) => JSON.stringify(other.key) === JSON.stringify(key))) {
      const isNear = timeMs - one.lastMs <= gapMs && one.firstMs - timeMs <= gapMs;
      const [firstMs, lastMs] = [Math.min(whole.firstMs, one.firstMs), Math.max(whole.lastMs, one.lastMs)];
      if (!isNear || lastMs - firstMs > lengthMsMax) continue;
      hasFired ||= one.lastMs + gapMs - 1 <= watermarkMs;
      open = open.filter((other) => other !== one);
      whole = {
        key,
        begun: isJoined ? whole.begun : one.begun,
        lines: [...whole.lines, ...one.lines],
        firstMs,
        lastMs,
        revision: whole.revision + one.revision,
      };
      isJoined = true;
    }
    if (!isJoined && overAt(timeMs) <= watermarkMs) outcome.late.push(i);
    else open.push(hasFired ? { ...whole, revision: whole.revision + 1 } : whole);
    open.sort((left, right) => left.begun - right.begun);
  }
  outcome.sessions.push(...open);
  return outcome;
}

/** What a measure of a session is made of. */
export function accumulated(
  { lines }: PlainSession,
  all: readonly PlainLine[],
  sum: AggregateDefinition,
  { fieldType }: Pick<MeasureSpec, 'fieldType'>,
): number[] {
  const state = sum.accumulators(fieldType).map(({ initial }) => initial);
  for (const line of [...lines].toSorted((a, b) => a - b)) sum.add(state, all[line]!.value ?? Number.NaN, fieldType);
  return state;
}
