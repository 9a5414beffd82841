import { plainAddress } from './address-interpreter.ts';
import type { Cell, LineParser, LineRecord } from './lines.ts';

const TOKEN = String.raw`[^\x00-\x20]+`;
/** Before the request: three words and the time, or whatever has no quote in it, and the time. */
const STRICT_WHO = String.raw`(${TOKEN}) (${TOKEN}) (${TOKEN}) \[([^\]]*)\]`;
const LENIENT_WHO = String.raw`([^"]*?) \[([^\[\]]*)\]`;
export const WHO = new RegExp(String.raw`^(?:${STRICT_WHO}|${LENIENT_WHO}) (?=")`, 'd');
/** Several addresses with commas, as X-Forwarded-For has them, are one. */
const ADDRESS = String.raw`(?:${TOKEN}, )*${TOKEN}(?<!,)`;
const PLAIN_WHO = new RegExp(String.raw`^(${ADDRESS}) (${TOKEN}) ([^]*)$`, 'd');
const VHOST_WHO = new RegExp(String.raw`^(${TOKEN})(?<!,) (${ADDRESS}) (${TOKEN}) ([^]*)$`, 'd');
const QUOTED = String.raw`"((?:[^"\\]|\\[^])*)"`;
/** What other formats have behind. Its quotes are closed. */
const REST = String.raw`(?: ((?:"(?:[^"\\]|\\[^])*"|[^"])*))?$`;
const COMMON = String.raw`${QUOTED} (\d{3}|-) (\d{1,16}|-)`;
const COMMON_LINE = new RegExp(String.raw`${COMMON}(?! ${QUOTED} ")${REST}`, 'dy');
const COMBINED_LINE = new RegExp(`${COMMON} ${QUOTED} ${QUOTED}${REST}`, 'dy');
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
    const line = bytes.toString('latin1', start, end);
    const who = WHO.exec(line);
    if (who === null) return undefined;
    const client = clientCells(who, start);
    grammar.lastIndex = who[0].length;
    const match = grammar.exec(line);
    if (client === undefined || match === null) return undefined;
    const spans = spansOf(match, start);
    const text = (group: number): Cell => textOrNull(match[group] ?? '-', spans[group]!);
    const byteCount = numberOrNull(match[3]!);
    if (byteCount !== null && !Number.isSafeInteger(byteCount)) return undefined;
    const rest = isCombined ? 6 : 5;
    return new Map<string, Cell>([
      ...client,
      ['@timestamp', clfTime(who[4] ?? who[6]!)],
      ...requestCells(match[1]!, spans[1]![0]),
      ['http.response.status_code', numberOrNull(match[2]!)],
      ['http.response.body.bytes', byteCount],
      ...(isCombined
        ? ([
            ['http.request.referrer', text(4)],
            ['user_agent.original', text(5)],
          ] as const)
        : []),
      ['rest', match[rest] === '' ? null : text(rest)],
    ]);
  };
}

/** Who asked, and which host, from what stands before the time; undefined where that is too little. */
function clientCells(who: RegExpExecArray, start: number): readonly (readonly [string, Cell])[] | undefined {
  const isStrict = who[5] === undefined;
  const vhost = isStrict ? null : VHOST_WHO.exec(who[5]!);
  const isVhost = vhost !== null && hasVhost(vhost);
  const match = isStrict ? who : isVhost ? vhost : PLAIN_WHO.exec(who[5]!);
  if (match === null) return undefined;
  const first = isVhost ? 2 : 1;
  const [address, identity, user] = match.slice(first, first + 3) as [string, string, string];
  // What stands before the time begins with the line.
  const spans = spansOf(match, start);
  const client = plainAddress(address);
  const site = isVhost ? plainAddress(match[1]!) : undefined;
  const host = Buffer.from(client.host, 'latin1');
  return [
    ['destination.domain', site === undefined ? null : Buffer.from(site.host, 'latin1')],
    ['destination.port', site?.port ?? null],
    ['source.address', address === '-' ? null : host],
    ['source.ip', client.isIp ? host : null],
    ['source.port', client.port],
    ['apache.access.user.identity', textOrNull(identity, spans[first + 1]!)],
    ['user.name', user === '' ? null : textOrNull(user, spans[first + 2]!)],
  ];
}

/** Whether an address, identity and user stand before the time, for a line that has not three words there. */
export function isClient(before: string): boolean {
  return PLAIN_WHO.test(before);
}

/** A virtual host stands before the client where an identity follows that is none, or the second word alone is an IP address. */
function hasVhost([, domain, address, identity]: RegExpExecArray): boolean {
  if (address === '-') return false;
  return identity === '-' || (plainAddress(address!).isIp && !plainAddress(domain!).isIp);
}

function textOrNull(text: string, span: readonly [number, number]): Cell {
  return text === '-' ? null : span;
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
  return match.indices!.map((span) => (span === undefined ? [at, at] : [at + span[0], at + span[1]]));
}

function numberOrNull(text: string): number | null {
  return text === '-' ? null : Number(text);
}

export function clfTime(text: string): number | null {
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
