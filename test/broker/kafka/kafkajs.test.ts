import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { isDenied, isTransient } from '../../../src/broker/kafka/kafka-error.ts';
import type { KafkaClientOptions } from '../../../src/broker/kafka/kafkajs.ts';
import { Connection } from '../../../src/broker/kafka/wire/connection.ts';
import {
  API,
  type Answering,
  CODE,
  type ScriptedKafka,
  authenticatedOf,
  mechanismsOf,
  startScriptedKafka,
} from '../../support/scripted-kafka.ts';

const USER = { username: 'u', password: 'p' };
type Mechanism = 'plain' | 'scram-sha-256';

let kafka: ScriptedKafka;
beforeEach(async () => {
  kafka = await startScriptedKafka();
});
afterEach(() => kafka.stop());

/** What opening a connection fails by, where the exchange is answered so. */
async function failure(mechanism: Mechanism, handshake: Answering['answer'], authenticate: Answering['answer']) {
  kafka.script[API.saslHandshake] = { version: 1, answer: handshake };
  kafka.script[API.saslAuthenticate] = { version: 0, answer: authenticate };
  const sasl = { mechanism, ...USER } as KafkaClientOptions['sasl'];
  const options = { brokers: [kafka.address], clientId: 'test', sasl, requestTimeoutMs: 300 };
  return Connection.open(kafka, options).then(
    (connection) => connection.close(),
    (error: unknown) => error,
  );
}

const known = (): ReturnType<Answering['answer']> => mechanismsOf('PLAIN', 'SCRAM-SHA-256');

test.each(['plain', 'scram-sha-256'] as const)(
  '%s: a connection that breaks on the way is no refusal',
  async (name) => {
    for (const answer of ['cut', 'silence'] as const) {
      for (const broken of [await failure(name, () => answer, known), await failure(name, known, () => answer)]) {
        expect(broken).toBeInstanceOf(Error);
        expect([answer, isDenied(broken), isTransient(broken)]).toEqual([answer, false, true]);
      }
    }
  },
);

test.each(['plain', 'scram-sha-256'] as const)('%s: an answer that says no is one', async (name) => {
  expect(isDenied(await failure(name, known, () => authenticatedOf(CODE.saslFailed)))).toBe(true);
  expect(isDenied(await failure(name, () => mechanismsOf('GSSAPI'), known))).toBe(true);
});
