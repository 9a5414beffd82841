import { expect, test } from '@jest/globals';
import type { Cluster } from '../../../src/broker/kafka/cluster.ts';
import { FencedProducer } from '../../../src/broker/kafka/fenced-producer.ts';
import { Patience } from '../../../src/broker/kafka/patience.ts';
import { EXIT } from '../../../src/lib/errors.ts';

interface Answer {
  readonly producerId?: string;
  readonly producerEpoch?: number;
  readonly error?: string;
}

/** A coordinator that answers as it is told, and writes down what it was asked. */
async function openOn(answers: readonly Answer[]): Promise<{ outcome: unknown; asked: string[] }> {
  const asked: string[] = [];
  const rest = [...answers];
  const broker = {
    initProducerId: async () => {
      const { producerId = '7', producerEpoch, error } = rest.shift()!;
      asked.push(`init ${error ?? producerEpoch}`);
      if (error !== undefined) throw Object.assign(new Error(error), { type: error });
      return { producerId, producerEpoch };
    },
    addPartitionsToTxn: async ({ producerEpoch }: { producerEpoch: number }) => void asked.push(`add ${producerEpoch}`),
    endTxn: async ({ producerEpoch }: { producerEpoch: number }) => void asked.push(`end ${producerEpoch}`),
  };
  const cluster = {
    withTransactionCoordinator: <T>(_name: string, ask: (connection: unknown) => Promise<T>) => ask({ broker }),
  } as unknown as Cluster;
  const never = new AbortController().signal;
  const clock = { monotonicMs: () => 0, nowMs: () => 0, sleep: () => Promise.resolve() };
  const patience = new Patience({
    clock,
    random: { next: () => 0, int: () => 0 },
    signal: never,
    stop: never,
    notify: () => undefined,
  });
  const outcome = await FencedProducer.open({ cluster, patience, clock }, 'w', 't', 1).then(
    (producer) => producer.stamp(0, 1),
    (error: unknown) => error,
  );
  return { outcome, asked };
}

const CONCURRENT = { error: 'CONCURRENT_TRANSACTIONS' };

test('the epoch that it writes with is the one after its marker', async () => {
  const { outcome, asked } = await openOn([{ producerEpoch: 0 }, CONCURRENT, CONCURRENT, { producerEpoch: 1 }]);
  expect(outcome).toEqual({ producerId: 7n, producerEpoch: 1, baseSequence: 0 });
  expect(asked).toEqual([
    'init 0',
    'add 0',
    'end 0',
    'init CONCURRENT_TRANSACTIONS',
    'init CONCURRENT_TRANSACTIONS',
    'init 1',
  ]);
});

test('where another one opened it in between, the leaders are told again', async () => {
  const answers = [{ producerEpoch: 0 }, CONCURRENT, { producerEpoch: 3 }, { producerEpoch: 4 }, { producerEpoch: 5 }];
  const { outcome, asked } = await openOn(answers);
  expect(outcome).toMatchObject({ producerEpoch: 5 });
  expect(asked.slice(-4)).toEqual(['init 4', 'add 4', 'end 4', 'init 5']);
});

test('another producer id, after the last epoch, is told to the leaders as well', async () => {
  const fresh = { producerId: '8', producerEpoch: 0 };
  const { outcome, asked } = await openOn([
    { producerEpoch: 9 },
    fresh,
    { ...fresh, producerEpoch: 1 },
    { ...fresh, producerEpoch: 2 },
  ]);
  expect(outcome).toMatchObject({ producerId: 8n, producerEpoch: 2 });
  expect(asked.slice(-3)).toEqual(['add 1', 'end 1', 'init 2']);
});

test('a cluster that allows no such transaction is a configuration to mend', async () => {
  const { outcome } = await openOn([{ error: 'INVALID_TRANSACTION_TIMEOUT' }]);
  expect(outcome).toMatchObject({ code: 'EVENTS_NO_TRANSACTION', exitCode: EXIT.config });
});
