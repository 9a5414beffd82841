import { describe, expect, test } from '@jest/globals';
import { isLoopback, parseListen } from '../../src/lib/listen-address.ts';

describe('addresses', () => {
  test.each([
    ['127.0.0.1:9308', '127.0.0.1', 9308],
    ['[::1]:0', '::1', 0],
    ['localhost:65535', 'localhost', 65_535],
  ])('%s', (text, host, port) => expect(parseListen(text)).toEqual({ host, port }));

  test.each(['9308', ':9308', '127.0.0.1', '127.0.0.1:70000', '::1:9308', '[localhost]:1', 'a b:1', ''])(
    'not %j',
    (text) => expect(parseListen(text)).toBeUndefined(),
  );

  test('what only this machine reaches', () => {
    expect(['127.0.0.1', '127.8.8.8', '::1', 'localhost'].filter((host) => !isLoopback(host))).toEqual([]);
    expect(['0.0.0.0', '::', '10.0.0.1', '127.example.org', 'example.org'].filter(isLoopback)).toEqual([]);
  });
});
