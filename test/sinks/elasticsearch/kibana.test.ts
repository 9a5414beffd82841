import { afterEach, expect, test } from '@jest/globals';
import { systemClock } from '../../../src/lib/clock.ts';
import { Kibana, comparable, holds } from '../../../src/sinks/elasticsearch/kibana.ts';
import { kibanaObjects, toNdjson } from '../../../src/sinks/elasticsearch/kibana-objects.ts';
import type { SavedObject } from '../../../src/sinks/elasticsearch/kibana-lens.ts';
import { type ScriptedServer, startScriptedServer } from '../../support/scripted-http.ts';

const OBJECTS = kibanaObjects('tailrace');
let server: ScriptedServer | undefined;

afterEach(async () => await server?.stop());

/** Kibana's API of saved objects over a map, as far as its documentation describes it. */
async function startKibana(
  options: { readonly startsAfter?: number; readonly refuses?: string } = {},
): Promise<Kibana> {
  const stored = new Map<string, SavedObject>();
  let probes = 0;
  server = await startScriptedServer(({ method, path, headers, body }) => {
    if (headers.authorization !== 'ApiKey key') return { status: 401, body: { message: 'no key' } };
    if (path === '/base/api/status') return { status: probes++ < (options.startsAfter ?? 0) ? 503 : 200 };
    if (method !== 'POST' || headers['kbn-xsrf'] === undefined) return { status: 400, body: { message: 'xsrf' } };
    if (path === '/base/api/saved_objects/_export') {
      const { objects } = JSON.parse(body.toString()) as { objects: { type: string; id: string }[] };
      const found = objects.map(({ type, id }) => stored.get(`${type} ${id}`));
      if (found.includes(undefined)) return { status: 400, body: { message: 'Error fetching objects to export' } };
      // What Kibana adds to an object it has brought up to date.
      return { status: 200, body: toNdjson(found.map((one) => ({ ...one!, updated_at: 'now', version: 'Wz' }))) };
    }
    if (path !== '/base/api/saved_objects/_import?overwrite=true') return { status: 404 };
    const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(headers['content-type'] ?? '')![1]!;
    const parts = body.toString().split(`--${boundary}`);
    expect([parts.length, parts[0], parts[2]]).toEqual([3, '', '--\r\n']);
    const [head, content] = parts[1]!.split('\r\n\r\n');
    expect(head).toContain('name="file"; filename="tailrace.ndjson"');
    const objects = content!
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as SavedObject);
    const refused = objects.find(({ id }) => id === options.refuses);
    if (refused !== undefined) {
      const { type, id } = refused;
      return { status: 200, body: { success: false, errors: [{ type, id, error: { type: 'missing_references' } }] } };
    }
    for (const object of objects) stored.set(`${object.type} ${object.id}`, object);
    return { status: 200, body: { success: true, successCount: objects.length } };
  });
  return new Kibana({ url: `${server.url}/base/`, auth: { apiKey: 'key' } });
}

test('objects are put there once, and are then as they should be', async () => {
  const kibana = await startKibana({ startsAfter: 1 });
  await kibana.waitUntilReady(systemClock, 10_000);
  for (const object of OBJECTS) expect(await kibana.read(object)).toBeUndefined();
  await kibana.import(OBJECTS);
  for (const object of OBJECTS) {
    const there = await kibana.read(object);
    expect(holds(comparable(there!), comparable(object))).toBe(true);
  }
});

test('a change by hand is seen, a field that Kibana adds is none', () => {
  const search = OBJECTS.find(({ type }) => type === 'search')!;
  const ours = comparable(search);
  const added = { ...search, attributes: { ...search.attributes, usesAdHocDataView: false } };
  expect(holds(comparable(added), ours)).toBe(true);
  const meta = { searchSourceJSON: JSON.stringify({ query: { query: 'other', language: 'kuery' }, filter: [] }) };
  const changed = { ...search, attributes: { ...search.attributes, kibanaSavedObjectMeta: meta } };
  expect(holds(comparable(changed), ours)).toBe(false);
  const shorter = { ...search, attributes: { ...search.attributes, columns: [] } };
  expect(holds(comparable(shorter), ours)).toBe(false);
});

test('what goes wrong is one line with a way out, without the key', async () => {
  const kibana = await startKibana({ refuses: 'tailrace-overview' });
  await expect(kibana.import(OBJECTS)).rejects.toMatchObject({
    code: 'KIBANA_REFUSED',
    message: 'Kibana did not take dashboard tailrace-overview (missing_references)',
  });
  const stranger = new Kibana({ url: server!.url, auth: { username: 'u', password: 'secret' } });
  await expect(stranger.waitUntilReady(systemClock, 0)).rejects.toMatchObject({ code: 'KIBANA_AUTH' });
  await expect(stranger.read(OBJECTS[0]!)).rejects.not.toThrow('secret');
  await server!.stop();
  await expect(kibana.waitUntilReady(systemClock, 0)).rejects.toMatchObject({ code: 'KIBANA_UNREACHABLE' });
  expect(() => new Kibana({ url: 'http://kibana.example.org:5601' })).toThrow('is another machine and not https');
});
