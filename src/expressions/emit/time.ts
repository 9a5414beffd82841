import type { Tree } from '../tree.ts';
import { type Emit, NoFastPath } from './emitter.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Units of one length; the others are found on the calendar, by the interpreter. */
const UNITS_MS: Readonly<Record<string, number>> = {
  second: SECOND_MS,
  minute: MINUTE_MS,
  hour: HOUR_MS,
  day: DAY_MS,
};
/** Parts of a time: within which unit, and in what. */
const PARTS_MS: Readonly<Record<string, readonly [unitMs: number, partMs: number]>> = {
  millisecond: [MINUTE_MS, 1],
  second: [MINUTE_MS, SECOND_MS],
  minute: [HOUR_MS, MINUTE_MS],
  hour: [DAY_MS, HOUR_MS],
};
/** Beyond them there is no calendar (forms/time.ts). */
const TIME_MS_MAX = 8.64e15;

function unitOf<T>(units: Readonly<Record<string, T>>, unit: Tree | undefined): T {
  const name = unit?.kind === 'constant' ? String(unit.value) : '';
  if (!Object.hasOwn(units, name)) throw new NoFastPath();
  return units[name]!;
}

export const TIME_EMITTERS: Readonly<Record<string, Emit>> = {
  date_trunc(emitter, { args: [unit, time] }) {
    const unitMs = unitOf(UNITS_MS, unit);
    return emitter.const(`Math.floor(${emitter.number(time!)} / ${unitMs}) * ${unitMs}`);
  },
  date_part(emitter, { args: [unit, time] }) {
    const [unitMs, partMs] = unitOf(PARTS_MS, unit);
    const value = emitter.number(time!);
    return emitter.const(`Math.floor((${value} - Math.floor(${value} / ${unitMs}) * ${unitMs}) / ${partMs})`);
  },
  epoch: (emitter, { args }) => emitter.const(`${emitter.number(args[0]!)} / 1000`),
  epoch_ms(emitter, { args }) {
    const value = emitter.number(args[0]!);
    if (args[0]!.type === 'time') return emitter.long(`${value} + 0`);
    emitter.line(`if (Math.abs(${value}) > ${TIME_MS_MAX}) break fast;`);
    return { kind: 'number', value };
  },
  time_plus(emitter, { args }) {
    const later = emitter.const(args.map((arg) => emitter.number(arg)).join(' + '));
    emitter.line(`if (Math.abs(${later.value}) > ${TIME_MS_MAX}) break fast;`);
    return later;
  },
  timezone: (emitter, { args }) => emitter.slot(args.at(-1)!),
};
