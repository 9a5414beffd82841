import type { Explanation } from '../codecs/explanation.ts';
import { keptOfDetail } from '../epoch/dead-letter.ts';

/** `http.request.method: column 48: no closing quote`. */
export function refusalDetail({ field, column, problem }: Explanation): string {
  const parts = [field, column === undefined ? '' : `column ${column}`, problem];
  return keptOfDetail(parts.filter((part) => part !== '').join(': '));
}

/** A date has 8.64e15 ms on either side of 1970. */
const DATE_MS_MAX = 8.64e15;

export function futureDetail(eventTimeMs: number, readAtMs: number): string {
  const aheadS = Math.round((eventTimeMs - readAtMs) / 1000);
  const time = eventTimeMs <= DATE_MS_MAX ? new Date(eventTimeMs).toISOString() : `${eventTimeMs} ms`;
  return `${time} is ${aheadS} s ahead of the moment it was read`;
}
