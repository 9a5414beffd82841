import { readAddress } from './ip.ts';

const BLANK = 0x20;
const COMMA = 0x2c;
const DASH = 0x2d;
const QUOTE = 0x22;
const NEWLINE = 0x0a;
const OPEN = 0x5b;
const CLOSE = 0x5d;

/** What stands before the time of a line, as places in its bytes. `domainEnd` is 0 where there is no virtual host. */
export interface Who {
  domainStart: number;
  domainEnd: number;
  addressStart: number;
  addressEnd: number;
  identityStart: number;
  identityEnd: number;
  userStart: number;
  userEnd: number;
}

export function emptyWho(): Who {
  return {
    domainStart: 0,
    domainEnd: 0,
    addressStart: 0,
    addressEnd: 0,
    identityStart: 0,
    identityEnd: 0,
    userStart: 0,
    userEnd: 0,
  };
}

/**
 * Finds who asked, for a line that may have more than three words before its time. Gives the place behind the bracket that opens the
 * time, −1 where there is none. A request in quotes must follow the time: names may have brackets.
 */
export function readWho(bytes: Uint8Array, start: number, who: Who): number {
  const strict = strictWho(bytes, start, who);
  if (strict >= 0) return strict;
  for (let at = start; bytes[at] !== QUOTE && bytes[at] !== NEWLINE; at++) {
    if (bytes[at] !== BLANK || bytes[at + 1] !== OPEN) continue;
    let close = at + 2;
    while (bytes[close] !== CLOSE && bytes[close] !== OPEN && bytes[close] !== NEWLINE) close++;
    if (!isBeforeRequest(bytes, close)) continue;
    return splitVhost(bytes, start, at, who) || splitPlain(bytes, start, at, who) ? at + 2 : -1;
  }
  return -1;
}

function strictWho(bytes: Uint8Array, start: number, who: Who): number {
  const addressEnd = wordEnd(bytes, start);
  const identityEnd = wordEnd(bytes, addressEnd + 1);
  const userEnd = wordEnd(bytes, identityEnd + 1);
  const isThree = addressEnd > start && identityEnd > addressEnd + 1 && userEnd > identityEnd + 1;
  if (!isThree || bytes[addressEnd] !== BLANK || bytes[identityEnd] !== BLANK || bytes[userEnd] !== BLANK) return -1;
  if (bytes[userEnd + 1] !== OPEN) return -1;
  let close = userEnd + 2;
  while (bytes[close] !== CLOSE && bytes[close] !== NEWLINE) close++;
  if (!isBeforeRequest(bytes, close)) return -1;
  who.domainEnd = 0;
  who.addressStart = start;
  who.addressEnd = addressEnd;
  who.identityStart = addressEnd + 1;
  who.identityEnd = identityEnd;
  who.userStart = identityEnd + 1;
  who.userEnd = userEnd;
  return userEnd + 2;
}

function isBeforeRequest(bytes: Uint8Array, close: number): boolean {
  return bytes[close] === CLOSE && bytes[close + 1] === BLANK && bytes[close + 2] === QUOTE;
}

/** `vhost address identity user`: the identity is none, or the second word alone is an IP address. */
function splitVhost(bytes: Uint8Array, start: number, end: number, who: Who): boolean {
  const domainEnd = wordEnd(bytes, start);
  if (domainEnd === start || bytes[domainEnd] !== BLANK || bytes[domainEnd - 1] === COMMA) return false;
  if (domainEnd >= end || !splitPlain(bytes, domainEnd + 1, end, who)) return false;
  if (isDash(bytes, who.addressStart, who.addressEnd)) return false;
  const isVhost =
    isDash(bytes, who.identityStart, who.identityEnd) ||
    (readAddress(bytes, who.addressStart, who.addressEnd).isIp && !readAddress(bytes, start, domainEnd).isIp);
  who.domainStart = start;
  who.domainEnd = domainEnd;
  return isVhost;
}

/** `address identity user`, where the user may be empty and have blanks. */
function splitPlain(bytes: Uint8Array, start: number, end: number, who: Who): boolean {
  const addressEnd = listEnd(bytes, start);
  if (addressEnd < 0 || addressEnd >= end || bytes[addressEnd] !== BLANK) return false;
  const identityEnd = wordEnd(bytes, addressEnd + 1);
  if (identityEnd === addressEnd + 1 || identityEnd >= end || bytes[identityEnd] !== BLANK) return false;
  who.domainEnd = 0;
  who.addressStart = start;
  who.addressEnd = addressEnd;
  who.identityStart = addressEnd + 1;
  who.identityEnd = identityEnd;
  who.userStart = identityEnd + 1;
  who.userEnd = end;
  return true;
}

/** Where a run of bytes above the blank ends. */
function wordEnd(bytes: Uint8Array, from: number): number {
  let at = from;
  while (bytes[at]! > BLANK) at++;
  return at;
}

/** Where a word ends, or several of which each but the last ends with a comma; −1 where there is none. */
function listEnd(bytes: Uint8Array, from: number): number {
  for (let at = from; ;) {
    const end = wordEnd(bytes, at);
    if (end === at) return -1;
    if (bytes[end - 1] !== COMMA) return end;
    if (end - at === 1 || bytes[end] !== BLANK) return -1;
    at = end + 1;
  }
}

/**
 * Whether an address may be more than a host name or IPv4 address: it has a colon, comma or bracket, or one stands close behind. Four bytes
 * are tested at once (see quoted.ts); a byte from 0x80 on counts as one.
 */
export function isOddAddress(view: DataView, from: number, to: number, limit: number): boolean {
  if (to + 4 > limit) return true;
  for (let at = from; at < to; at += 4) {
    const word = view.getInt32(at, true);
    const colon = (word ^ 0x3a3a3a3a) - 0x01010101;
    const comma = (word ^ 0x2c2c2c2c) - 0x01010101;
    const bracket = (word ^ 0x5b5b5b5b) - 0x01010101;
    if (((colon | comma | bracket | word) & 0x80808080) !== 0) return true;
  }
  return false;
}

function isDash(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start === 1 && bytes[start] === DASH;
}
