import { isIP } from 'node:net';

const BRACKETED = /^\[([^\]]*)\](?::(\d{1,5}))?$/;
const HOST_AND_PORT = /^([^:[][^:]*):(\d{1,5})$/;
const MAPPED = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/;

export interface PlainAddress {
  readonly host: string;
  readonly isIp: boolean;
  readonly port: number | null;
}

/** The plain reading of an address (see ip.ts), by regular expressions, Node's `isIP` and the URL standard's way to write IPv6. */
export function plainAddress(text: string): PlainAddress {
  const first = text.split(',', 1)[0]!;
  const [, host = first, port] = BRACKETED.exec(first) ?? HOST_AND_PORT.exec(first) ?? [];
  const ip = canonicalIp(host);
  return { host: ip ?? host, isIp: ip !== undefined, port: port === undefined ? null : Number(port) };
}

function canonicalIp(host: string): string | undefined {
  if (isIP(host) === 4) return host;
  const withoutZone = host.split('%', 1)[0]!;
  if (isIP(withoutZone) !== 6) return undefined;
  const written = new URL(`http://[${withoutZone}]`).hostname.slice(1, -1);
  const mapped = MAPPED.exec(written);
  if (mapped === null) return written;
  return mapped
    .slice(1)
    .map((group) => Number.parseInt(group, 16))
    .map((value) => `${value >> 8}.${value & 255}`)
    .join('.');
}
