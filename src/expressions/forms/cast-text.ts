/** Texts as other values and back, exactly as DuckDB's casts have them. Undefined where a text is not of that type. */

const SPACES = String.raw`[ \t\n\v\f\r]*`;
const DIGITS = String.raw`\d+(?:_\d+)*`;
const MANTISSA = `(?<whole>${DIGITS})(?:\\.(?<decimals>${DIGITS})?)?|\\.(?<onlyDecimals>${DIGITS})`;

/** An exponent may lack its digits if a space follows, and may end in a point: DuckDB reads them so. */
const DECIMAL = new RegExp(
  `^${SPACES}(?<sign>[+-]?)(?:${MANTISSA})(?:[eE](?<exponent>[+-]?(?:${DIGITS}\\.?|(?=[ \\t\\n\\v\\f\\r]))))?${SPACES}$`,
);
const ZERO = /^[ \t\n\v\f\r]*[+-][ \t\n\v\f\r]+$/;
const PREFIXED = /^[ \t\n\v\f\r]*(0[xX][\da-fA-F]+(?:_[\da-fA-F]+)*|0[bB][01]+(?:_[01]+)*)$/;
const PLAIN = /^-?\d{1,18}$/;
const DOUBLE = new RegExp(`^${SPACES}\\+?(?<number>-?(?:${MANTISSA})(?:[eE][+-]?${DIGITS})?)${SPACES}$`);

/** More digits behind the point change nothing that is of 64 bits. */
const DECIMALS_MAX = 1000;
const EXPONENT_MAX = 32_767;

/** A whole number; halves are rounded away from 0. May be beyond 64 bits by that rounding. */
export function longOfText(text: string): bigint | undefined {
  if (PLAIN.test(text)) return BigInt(text);
  const prefixed = PREFIXED.exec(text)?.[1];
  if (prefixed !== undefined) return prefixed.length > 100 ? undefined : BigInt(prefixed.replaceAll('_', ''));
  const { sign, whole = '0', decimals, onlyDecimals, exponent } = DECIMAL.exec(text)?.groups ?? {};
  if (sign === undefined) return ZERO.test(text) ? 0n : undefined;
  const digits = whole.replaceAll('_', '').replace(/^0+(?=\d)/, '');
  // Beyond 64 bits before the point is beyond them, whatever the exponent makes of it.
  if (digits.length > 19 || BigInt(digits) > 2n ** 63n - (sign === '-' ? 0n : 1n)) return undefined;
  const power = Number((exponent ?? '').replaceAll(/[_.]/g, '').replace(/^[+-]$/, ''));
  if (Math.abs(power) > EXPONENT_MAX) return undefined;
  const fraction = (decimals ?? onlyDecimals ?? '').replaceAll('_', '').slice(0, DECIMALS_MAX);
  const magnitude = shifted(BigInt(digits + fraction), power - fraction.length);
  return sign === '-' && magnitude !== undefined ? -magnitude : magnitude;
}

/** value × 10^places, rounded half up; undefined far beyond 64 bits. */
function shifted(value: bigint, places: number): bigint | undefined {
  if (value === 0n) return 0n;
  if (places >= 0) return places > 20 ? undefined : value * 10n ** BigInt(places);
  if (-places > DECIMALS_MAX + 20) return 0n;
  const unit = 10n ** BigInt(-places);
  return (value + unit / 2n) / unit;
}

/** May be infinite. */
export function doubleOfText(text: string): number | undefined {
  const number = DOUBLE.exec(text)?.groups?.['number'];
  return number === undefined ? undefined : Number(number.replaceAll('_', ''));
}

const BOOLEANS: Readonly<Record<string, boolean>> = {
  true: true,
  t: true,
  yes: true,
  y: true,
  1: true,
  false: false,
  f: false,
  no: false,
  n: false,
  0: false,
};

export function booleanOfText(text: string): boolean | undefined {
  return text.length > 5 ? undefined : BOOLEANS[text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())];
}

/** The forms of ISO 8601 that are read, in the dialect that RE2 and JavaScript share. DuckDB reads more: years of other lengths, names of zones, … */
export const TIME_PATTERN =
  '^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]{1,9})?(?: UTC|Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?)?)?$';
const TIME = new RegExp(TIME_PATTERN);
const PARTS = /^(.{10})(?:.(.{5})(:\d\d)?(\.\d+)?(?: UTC|Z|([+-])(\d\d):?(\d\d)?)?)?$/;

/** In milliseconds; what is finer is cut off. Without an offset it is of UTC. */
export function timeOfText(text: string): number | undefined {
  if (!TIME.test(text)) return undefined;
  const [, day, minute = '00:00', second = ':00', fraction = '.', sign, hours = '0', minutes = '0'] = PARTS.exec(text)!;
  const midnightMs = Date.parse(`${day}T00:00:00Z`);
  // JavaScript takes 30 February for 1 March.
  if (Number.isNaN(midnightMs) || new Date(midnightMs).getUTCDate() !== Number(day!.slice(8))) return undefined;
  const timeMs = Date.parse(`${day}T${minute}${second}${fraction.padEnd(4, '0').slice(0, 4)}Z`);
  const offsetMs = (Number(hours) * 60 + Number(minutes)) * 60_000;
  return sign === '-' ? timeMs + offsetMs : timeMs - offsetMs;
}

/** The shortest digits that are this number, with a point or an exponent. */
export function textOfDouble(value: number): string {
  const [mantissa, exponent] = value.toExponential().split('e');
  const power = Number(exponent);
  if (power < -4 || power >= 16)
    return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  const text = Object.is(value, -0) ? '-0' : String(value);
  return text.includes('.') ? text : `${text}.0`;
}

/** `2026-01-31 10:00:00.5+00`. Undefined of a time that no calendar has. */
export function textOfTime(timeMs: number): string | undefined {
  const date = new Date(timeMs);
  if (Number.isNaN(date.getTime())) return undefined;
  const year = date.getUTCFullYear();
  const [, monthAndDay, time, ms] = /-(\d\d-\d\d)T(.{8})\.(\d{3})Z$/.exec(date.toISOString())!;
  const years = String(year > 0 ? year : 1 - year).padStart(4, '0');
  const fraction = ms === '000' ? '' : `.${ms!.replace(/0+$/, '')}`;
  return `${years}-${monthAndDay}${year > 0 ? '' : ' (BC)'} ${time}${fraction}+00`;
}
