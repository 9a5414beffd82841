import { z } from 'zod';
import { isLoopback, parseListen } from '../lib/listen-address.ts';
import type { ObserveConfig } from './config.ts';
import type { Report } from './definitions.ts';

const TOKEN_CHARACTERS_MIN = 16;

export const observeSection = z.strictObject({
  listen: z
    .string({ error: () => 'expects a host and a port, such as 127.0.0.1:9309' })
    .optional()
    .describe(
      'Where a run serves `/metrics`, `/healthz`, `/readyz`, `/status` and `/version`, such as `127.0.0.1:9309`; an address that others reach needs a `token`. Default: nowhere but on the socket `run/run.sock` in `data_dir`.',
    ),
  token: z
    .string({ error: () => 'expects a text' })
    .optional()
    .describe('What clients must bring, as `Authorization: Bearer …`; best `${file:…}`.'),
});

export type ObserveSection = z.output<typeof observeSection>;

export function checkObserve({ listen, token }: ObserveSection, report: Report): void {
  if (token !== undefined && token.length < TOKEN_CHARACTERS_MIN) {
    const hint = `it must have at least ${TOKEN_CHARACTERS_MIN} characters: make one with openssl rand -hex 32`;
    // Never with its value: even a bad secret is one.
    report(['observe', 'token'], 'value', { code: 'CONFIG_VALUE', message: 'observe.token is too short', hint });
  }
  if (listen === undefined) return;
  const address = parseListen(listen);
  if (address === undefined) {
    const hint = 'write a host and a port, such as 127.0.0.1:9309';
    return report(['observe', 'listen'], 'value', {
      code: 'CONFIG_VALUE',
      message: `${listen} is not an address`,
      hint,
    });
  }
  if (isLoopback(address.host) || token !== undefined) return;
  const message = `${address.host} is reached from other machines, and nothing guards it`;
  const hint = 'listen on 127.0.0.1, or set observe.token';
  report(['observe', 'listen'], 'value', { code: 'CONFIG_VALUE', message, hint });
}

export function resolveObserve({ listen, token }: ObserveSection): ObserveConfig {
  return { listen: listen === undefined ? null : (parseListen(listen) ?? null), token: token ?? null };
}
