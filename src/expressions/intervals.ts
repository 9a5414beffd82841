import type { FormProblem } from './form.ts';
import type { SqlNode } from './sql-node.ts';

const UNITS_MS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    microsecond: 0.001,
    us: 0.001,
    millisecond: 1,
    ms: 1,
    second: 1_000,
    sec: 1_000,
    s: 1_000,
    minute: 60_000,
    min: 60_000,
    m: 60_000,
    hour: 3_600_000,
    h: 3_600_000,
    day: 86_400_000,
    d: 86_400_000,
    week: 604_800_000,
    w: 604_800_000,
  }),
);
const CALENDAR = /^(?:month|mon|quarter|year|yr?|decade|century|centurie|millennium|millennia)$/;

/** A thousand years. */
const INTERVAL_MS_MAX = 365_250 * 86_400_000;

const NOT_CONSTANT: FormProblem = {
  message: 'an interval is a constant of whole milliseconds',
  hint: "write interval '5 minutes', interval '1 hour 30 minutes' or to_seconds(5)",
};

/** A constant interval in milliseconds; undefined for anything else. Days are of 24 hours, as they are in UTC. */
export function intervalMsOf(node: SqlNode): number | FormProblem | undefined {
  if (node.class === 'CAST' && (node['cast_type'] as { readonly id: string }).id === 'INTERVAL') {
    const text = constantOf(node['child'] as SqlNode);
    return checked(typeof text === 'string' ? msOfText(text) : NOT_CONSTANT);
  }
  if (node.class !== 'FUNCTION') return undefined;
  const name = String(node['function_name']).toLowerCase();
  const children = node['children'] as readonly SqlNode[];
  if (name === '-' && children.length === 1) {
    const ms = intervalMsOf(children[0]!);
    return typeof ms === 'number' ? -ms : ms;
  }
  const unit = /^to_(\w+?)s?$/.exec(name)?.[1];
  if (unit === undefined || name === 'to_timestamp' || unitMs(unit) === undefined) return undefined;
  const count = children.length === 1 ? constantOf(children[0]!) : undefined;
  return checked(count === undefined ? NOT_CONSTANT : msOf(Number(count), unit));
}

/** A number or a text, also within the casts that the parser puts around it. */
function constantOf(node: SqlNode): string | number | undefined {
  if (node.class === 'CAST') return constantOf(node['child'] as SqlNode);
  if (node.class === 'FUNCTION' && node['function_name'] === 'trunc')
    return constantOf((node['children'] as readonly SqlNode[])[0]!);
  if (node.class !== 'CONSTANT') return undefined;
  const { type, value } = node['value'] as {
    readonly type: { readonly id: string; readonly type_info: { readonly scale?: number } | null };
    readonly value: unknown;
  };
  if (type.id === 'DECIMAL')
    return typeof value === 'string' ? Number(`${value}e-${type.type_info?.scale ?? 0}`) : undefined;
  return typeof value === 'string' || typeof value === 'number' ? value : undefined;
}

function unitMs(unit: string): number | 'calendar' | undefined {
  return CALENDAR.test(unit) ? 'calendar' : UNITS_MS.get(unit);
}

function msOf(count: number, unit: string): number | FormProblem {
  const ms = unitMs(unit);
  if (ms !== 'calendar') return ms === undefined ? NOT_CONSTANT : ms < 1 ? count / 1000 : count * ms;
  return { message: 'months and years differ in length', hint: "write days: interval '30 days'" };
}

/** `1 hour 30 minutes`, `-5 minutes`, `01:30:00`. */
function msOfText(text: string): number | FormProblem {
  const clock = /^\s*(-?)(\d{1,4}):([0-5]\d)(?::([0-5]\d(?:\.\d{1,3})?))?\s*$/.exec(text);
  if (clock !== null) {
    const [, sign, hours, minutes, seconds = '0'] = clock;
    const ms = Number(hours) * 3_600_000 + Number(minutes) * 60_000 + Math.round(Number(seconds) * 1000);
    return sign === '-' ? -ms : ms;
  }
  let sum = 0;
  let problem: FormProblem | undefined;
  const rest = text.replaceAll(/([+-]?\d+(?:\.\d+)?)\s*([a-z]+)\s*/gi, (_, count: string, unit: string) => {
    const lower = unit.toLowerCase();
    const ms = msOf(Number(count), UNITS_MS.has(lower) ? lower : lower.replace(/s$/, ''));
    if (typeof ms === 'number') sum += ms;
    else problem ??= ms;
    return '';
  });
  return problem ?? (rest.trim() === '' && text.trim() !== '' ? sum : NOT_CONSTANT);
}

function checked(ms: number | FormProblem): number | FormProblem {
  if (typeof ms !== 'number') return ms;
  return Number.isInteger(ms) && Math.abs(ms) <= INTERVAL_MS_MAX ? ms : NOT_CONSTANT;
}
