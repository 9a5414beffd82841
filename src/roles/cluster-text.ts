import type { KafkaEvent } from '../broker/kafka/patience.ts';
import { escapeText } from '../lib/escape.ts';
import { formatDuration } from '../lib/units.ts';

/** What happens to a cluster. All roles of a run see the same, and their supervisor says it once. */
export interface ClusterEvent {
  readonly type: 'cluster';
  readonly brokers: readonly string[];
  readonly event: KafkaEvent;
}

/** One line for what happens to the cluster. */
export function clusterText({ event, brokers }: ClusterEvent): string {
  if (event.type === 'back') {
    const SECOND_MS = 1000;
    return `Kafka answers again after ${formatDuration(Math.round(event.awayMs / SECOND_MS) * SECOND_MS)}`;
  }
  const { reason } = event;
  const hint = IS_CLOSED.test(reason)
    ? 'is the listener one with TLS or SASL? see broker.tls and broker.sasl'
    : NO_TLS.test(reason)
      ? 'does the listener speak TLS? see broker.tls'
      : 'see that it runs, and that these are its brokers';
  return `Kafka at ${brokers.join(', ')} does not answer: ${escapeText(reason)}; waiting (${hint})`;
}

/** How a listener ends what it does not understand: it may also be one that is just starting or stopping, so it is waited for. */
const IS_CLOSED = /Closed connection/;
const NO_TLS = /before secure TLS connection was established/;
