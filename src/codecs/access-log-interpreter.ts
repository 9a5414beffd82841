import { isIP } from 'node:net';
import type { Cell, LineParser, LineRecord } from './lines.ts';

const TOKEN = String.raw`([^\x00-\x20]+)`;
const QUOTED = String.raw`"((?:[^"\\]|\\[^])*)"`;
const COMMON = String.raw`^${TOKEN} ${TOKEN} ${TOKEN} \[([^\]]*)\] ${QUOTED} (\d{3}|-) (\d{1,16}|-)`;
const COMMON_LINE = new RegExp(`${COMMON}$`, 'd');
const COMBINED_LINE = new RegExp(`${COMMON} ${QUOTED} ${QUOTED}$`, 'd');
const REQUEST = /^([A-Za-z_-]+) ([^ ]+) HTTP\/(\d+(?:\.\d+)?)$/d;
const CLF_TIME = /^(\d\d)\/([A-Z][a-z]{2})\/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)$/;
const DAY_MS = 86_400_000;
const CYCLE_MS = 146_097 * DAY_MS;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * The plain reading of an access log line, by regular expressions and the standard library: the oracle of the generated
 * decoder, and its way out for what is rare. It shares nothing with that but the grammar in the codecs' documentation.
 */
export function accessLogParser(isCombined: boolean): LineParser {
  const grammar = isCombined ? COMBINED_LINE : COMMON_LINE;
  return (bytes, start, end): LineRecord => {
    const match = grammar.exec(bytes.toString('latin1', start, end));
    if (match === null) return undefined;
    const spans = spansOf(match, start);
    const text = (group: number): Cell => (match[group] === '-' ? null : spans[group]!);
    const byteCount = numberOrNull(match[7]!);
    if (byteCount !== null && !Number.isSafeInteger(byteCount)) return undefined;
    return new Map<string, Cell>([
      ['source.address', text(1)],
      ['source.ip', isIP(match[1]!) !== 0 && !match[1]!.includes('%') ? spans[1]! : null],
      ['apache.access.user.identity', text(2)],
      ['user.name', text(3)],
      ['@timestamp', clfTime(match[4]!)],
      ...requestCells(match[5]!, spans[5]![0]),
      ['http.response.status_code', numberOrNull(match[6]!)],
      ['http.response.body.bytes', byteCount],
      ...(isCombined
        ? ([
            ['http.request.referrer', text(8)],
            ['user_agent.original', text(9)],
          ] as const)
        : []),
    ]);
  };
}

function requestCells(request: string, at: number): readonly (readonly [string, Cell])[] {
  const match = REQUEST.exec(request);
  if (match === null) return [['url.original', request === '-' ? null : [at, at + request.length]]];
  const [, method, target, version] = spansOf(match, at);
  const url = match[2]!;
  const pathLength = url.search(/[?#]|$/);
  const fragment = url.indexOf('#');
  const queryEnd = fragment < 0 ? url.length : fragment;
  const hasQuery = url[pathLength] === '?';
  return [
    ['http.request.method', method!],
    ['url.original', target!],
    ['url.path', [target![0], target![0] + pathLength]],
    ['url.query', hasQuery ? [target![0] + pathLength + 1, target![0] + queryEnd] : null],
    ['http.version', version!],
  ];
}

/** Where the whole match and each group lie, as positions in the block; `at` is where the matched text begins. */
function spansOf(match: RegExpExecArray, at: number): (readonly [start: number, end: number])[] {
  return match.indices!.map((span) => [at + span![0], at + span![1]]);
}

function numberOrNull(text: string): number | null {
  return text === '-' ? null : Number(text);
}

function clfTime(text: string): number | null {
  const match = CLF_TIME.exec(text);
  if (match === null) return null;
  const [day, , year, hour, minute, second, , zoneHours, zoneMinutes] = match.slice(1).map(Number) as number[];
  const month = MONTHS.indexOf(match[2]!);
  if (month < 0 || day! < 1) return null;
  // `Date.UTC` takes years below 100 for those of the last century: one calendar cycle of 400 years later there are none.
  const monthMs = Date.UTC(year! + 400, month) - CYCLE_MS;
  if (day! * DAY_MS > Date.UTC(year! + 400, month + 1) - CYCLE_MS - monthMs) return null;
  if (hour! > 23 || minute! > 59 || second! > 60 || zoneHours! > 23 || zoneMinutes! > 59) return null;
  const timeOfDayMs = ((hour! * 60 + minute!) * 60 + second!) * 1000;
  const zoneMs = (match[7] === '-' ? -1 : 1) * (zoneHours! * 60 + zoneMinutes!) * 60_000;
  return monthMs + (day! - 1) * DAY_MS + timeOfDayMs - zoneMs;
}
