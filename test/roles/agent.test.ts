import { expect, test } from '@jest/globals';
import { COMPONENTS } from '../../src/components.ts';
import { agentInputs } from '../../src/roles/agent.ts';
import { resolveText } from '../support/configs.ts';

const [ONE, OTHER] = ['9b2f3f60-2b1c-4f0e-8b62-0f8f4c6f1a11', '1c0d5a52-7f7e-4c53-9a5e-6a2f2d1b7c22'];

/** Names of the inputs of agent `id`, where a file and three topics are in the configuration that all hosts have. */
async function inputsOf(id: string | undefined): Promise<string[]> {
  const text = `version: 1
name: shop
${id === undefined ? '' : `agent: { id: ${id} }`}
sources:
  files: { type: file, stream: orders, include: [/var/log/orders.log] }
  anybody: { type: kafka, stream: orders, brokers: ['127.0.0.1:9092'], topics: [a] }
  one: { type: kafka, stream: orders, brokers: ['127.0.0.1:9092'], topics: [b], agent: ${ONE} }
  other: { type: kafka, stream: orders, brokers: ['127.0.0.1:9092'], topics: [c], agent: ${OTHER} }
streams:
  orders: { codec: { type: json, fields: { '@timestamp': date } } }
rollups:
  all: { from: orders, window: { type: tumbling, size: 1m }, measures: { n: count } }
`;
  const { config } = resolveText(text, 'tailrace.yaml', {});
  return (await agentInputs(config, COMPONENTS)).map(({ name }) => name);
}

test('a topic that names its agent is read by that agent alone, files by all', async () => {
  expect(await inputsOf(ONE)).toEqual(['files', 'anybody', 'one']);
  expect(await inputsOf(OTHER)).toEqual(['files', 'anybody', 'other']);
  expect(await inputsOf(undefined)).toEqual(['files', 'anybody']);
});
