import { readFileSync } from 'node:fs';
import type { KafkaClientOptions } from '../broker/kafka/kafkajs.ts';
import type { KafkaConnectionConfig } from '../config/kafka-broker.ts';
import { shownPath } from '../config/load.ts';
import { EXIT, OperatingError, systemErrorCode } from '../lib/errors.ts';

/** What brokers see in their logs and quotas. */
const CLIENT_ID = 'tailrace';

/** Reads the files of TLS once, at the start. */
export function kafkaClientOptions({ brokers, tls, sasl }: KafkaConnectionConfig): KafkaClientOptions {
  return {
    brokers,
    clientId: CLIENT_ID,
    ...(sasl === null ? {} : { sasl }),
    ...(tls === null
      ? {}
      : {
          tls: {
            ...(tls.caFile === null ? {} : { ca: readPem(tls.caFile) }),
            ...(tls.certFile === null ? {} : { cert: readPem(tls.certFile) }),
            ...(tls.keyFile === null ? {} : { key: readPem(tls.keyFile) }),
            ...(tls.serverName === null ? {} : { servername: tls.serverName }),
          },
        }),
  };
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new OperatingError(`${shownPath(path)} cannot be read: ${systemErrorCode(error) ?? String(error)}`, {
      code: 'TLS_FILE',
      hint: 'look at the paths under broker.tls',
      exitCode: EXIT.config,
      cause: error,
    });
  }
}
