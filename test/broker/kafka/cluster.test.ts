import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Cluster } from '../../../src/broker/kafka/cluster.ts';
import { protocolType } from '../../../src/broker/kafka/kafka-error.ts';
import {
  API,
  CODE,
  type ScriptedKafka,
  createdOf,
  deletedOf,
  metadataOf,
  startScriptedKafka,
} from '../../support/scripted-kafka.ts';

const TOPIC = 'own.raw';

describe('a cluster of two brokers', () => {
  let nodes: ScriptedKafka[];
  let cluster: Cluster;
  let leaders: number[];
  let controller: number;

  beforeEach(async () => {
    [leaders, controller] = [[0], 0];
    nodes = await Promise.all([startScriptedKafka(), startScriptedKafka()]);
    for (const node of nodes) {
      node.script[API.metadata] = { version: 5, answer: () => metadataOf(nodes, TOPIC, leaders, controller) };
      node.script[API.deleteRecords] = { version: 1, answer: () => deletedOf(TOPIC, 0, 0) };
    }
    cluster = new Cluster({ brokers: [nodes[0]!.address], clientId: 'test' });
  });
  afterEach(async () => {
    cluster.close();
    await Promise.all(nodes.map((node) => node.stop()));
  });

  test('one partition without a leader is not there, the others are', async () => {
    leaders = [1, -1];
    expect(await cluster.leader(TOPIC, 0)).toEqual({ host: nodes[1]!.host, port: nodes[1]!.port });
    await expect(cluster.leader(TOPIC, 1)).rejects.toMatchObject({
      code: 'LOG_UNREACHABLE',
      message: expect.stringContaining('no broker leads it') as unknown,
    });
    leaders = [1, 0];
    expect(await cluster.leader(TOPIC, 1)).toMatchObject({ port: nodes[0]!.port });
  });

  test('deleting goes to the new leader once the old one says that it is none', async () => {
    nodes[0]!.script[API.deleteRecords] = { version: 1, answer: () => deletedOf(TOPIC, 0, CODE.notLeader) };
    await cluster.layout(TOPIC);
    leaders = [1];
    const failure = await cluster.deleteBefore(TOPIC, 0, 5).catch((error: unknown) => error);
    expect(protocolType(failure)).toBe('NOT_LEADER_FOR_PARTITION');
    await cluster.deleteBefore(TOPIC, 0, 5);
    expect(nodes[1]!.asked).toEqual([API.deleteRecords]);
  });

  test('a topic is made by the controller, and by the next one where it moves', async () => {
    const wanted = { topic: 'new', numPartitions: 1, replicationFactor: 1 };
    for (const [node, { script }] of nodes.entries()) {
      const answer = () => createdOf('new', node === controller ? 0 : CODE.notController);
      script[API.createTopics] = { version: 1, answer };
    }
    controller = 1;
    await cluster.layout(TOPIC);
    await cluster.createTopic(wanted, '');
    controller = 0;
    const failure = await cluster.createTopic(wanted, '').catch((error: unknown) => error);
    expect(protocolType(failure)).toBe('NOT_CONTROLLER');
    cluster.forget(TOPIC);
    await cluster.layout(TOPIC);
    await cluster.createTopic(wanted, '');
  });

  test('a broker that breaks off instead of describing the cluster is passed over, and asked last from then on', async () => {
    const both = new Cluster({ brokers: nodes.map(({ address }) => address), clientId: 'test' });
    nodes[0]!.script[API.metadata] = { version: 5, answer: () => 'cut' };
    expect(await both.layout(TOPIC)).toHaveLength(1);
    both.forget(TOPIC);
    expect(await both.layout(TOPIC)).toHaveLength(1);
    expect([nodes[0]!.asked, nodes[1]!.asked]).toEqual([[API.metadata], [API.metadata, API.metadata]]);
    both.close();
  });

  test('what fails is what the caller makes of it, with the name of the broker', async () => {
    const judged = new Cluster({ brokers: [nodes[0]!.address], clientId: 'test' }, (_, where) => new Error(where));
    nodes[0]!.script[API.metadata] = { version: 5, answer: () => 'cut' };
    await expect(judged.metadata([TOPIC])).rejects.toThrow(nodes[0]!.address);
    judged.close();
  });

  test('once it is closed nothing is connected any more', async () => {
    cluster.close();
    await expect(cluster.metadata(undefined)).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
    expect(nodes[0]!.asked).toEqual([]);
  });
});
