import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { countDocuments } from '../scripts/stack/documents.ts';

let close: () => void = () => undefined;
afterEach(() => close());

/** A server that gives these answers, one after the other, and the last one for ever. */
async function serve(...answers: readonly (readonly [status: number, body: unknown])[]): Promise<string> {
  let next = 0;
  const server = createServer((_request, response) => {
    const [status, body] = answers[Math.min(next++, answers.length - 1)]!;
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  close = () => server.close();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('an index that was made a moment ago is asked again', async () => {
  const url = await serve([200, {}], [503, {}], [429, {}], [200, { count: 0 }]);
  expect(await countDocuments({ url, password: 'p' })).toEqual({ documents: 0, ids: 0 });
});

test('what is refused is said', async () => {
  const url = await serve([200, {}], [403, {}]);
  await expect(countDocuments({ url, password: 'p' })).rejects.toThrow(
    'Elasticsearch answers 403 to GET /tailrace-access-*,tailrace-shop-*/_count',
  );
});
