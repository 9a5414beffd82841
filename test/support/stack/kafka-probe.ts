import { Kafka, logLevel } from 'kafkajs';
// Its queues of requests re-arm no timer for ever, which costs a part of a core, and makes Node warn of a negative timeout.
import '../../../src/broker/kafka/kafkajs.ts';

/** Fails unless the broker at `address` answers and knows all of those brokers and a controller. */
export async function awaitBrokers(address: string, ids: readonly number[]): Promise<void> {
  const client = new Kafka({
    clientId: 'stack-probe',
    brokers: [address],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 1_000,
    requestTimeout: 2_000,
    retry: { retries: 0 },
  });
  const admin = client.admin();
  try {
    await admin.connect();
    const { brokers, controller } = await admin.describeCluster();
    const known = brokers.map(({ nodeId }) => nodeId);
    const missing = ids.filter((id) => !known.includes(id));
    if (missing.length > 0) throw new Error(`brokers ${missing.join(', ')} have not joined`);
    if (controller === null || controller < 0) throw new Error('there is no controller yet');
  } finally {
    await admin.disconnect();
  }
}
