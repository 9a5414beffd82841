import { expect, test } from '@jest/globals';
import { resolveText } from '../support/configs.ts';
import { RIGHT_CONFIG, changed, folderWith, problemsOf, refuses } from '../support/broken-config.ts';

const VERSION = 'version: 1\n';
const broker = (section: string): string => `${VERSION}broker: { type: kafka, ${section} }\n`;

refuses(
  'a Kafka without brokers',
  VERSION,
  `${VERSION}broker: { type: kafka }\n`,
  '2:1 MISSING_KEY: "brokers" is missing in broker — it is a list of addresses',
);
refuses(
  'a broker without a port',
  VERSION,
  broker('brokers: [kafka1]'),
  '2:34 VALUE: broker.brokers[0] is "kafka1" — expects an address: host:port',
);
refuses(
  'a password that anybody can read',
  VERSION,
  broker('brokers: [kafka1:9092], sasl: { mechanism: plain, username: u, password: p }'),
  '2:67 VALUE: with plain and without TLS the password can be read by whoever is on the way — add tls, or use scram-sha-512',
);
refuses(
  'a certificate without its key',
  VERSION,
  broker('brokers: [kafka1:9092], tls: { cert: c.pem }'),
  '2:55 MISSING_KEY: cert needs a key beside it',
  '2:61 FILE: broker.tls.cert: c.pem does not exist — paths begin at the folder of this file',
);
refuses(
  'TLS that is neither',
  VERSION,
  broker('brokers: [kafka1:9092], tls: yes'),
  '2:53 VALUE: broker.tls is "yes" — expects true, false, or a map with ca, cert, key and server_name',
);
refuses(
  'a misspelt key of TLS',
  VERSION,
  broker('brokers: [kafka1:9092], tls: { server-name: k }'),
  '2:55 UNKNOWN_KEY: unknown key "server-name" in broker.tls — did you mean "server_name"?',
);
refuses(
  'a way to show a password that is none',
  VERSION,
  broker('brokers: [kafka1:9092], sasl: { mechanism: gssapi, username: u, password: p }'),
  '2:67 VALUE: broker.sasl.mechanism is "gssapi" — expects plain, scram-sha-256 or scram-sha-512',
);
test('ways to show a password may be written as the documents of Kafka write them', () => {
  const mechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'plain'];
  const sasl = mechanisms.map((mechanism) => {
    const section = `brokers: ['127.0.0.1:9092'], sasl: { mechanism: ${mechanism}, username: u, password: p }`;
    const { config } = resolveText(RIGHT_CONFIG.replace(VERSION, broker(section)), 'tailrace.yaml', {});
    return config.broker.type === 'kafka' && config.broker.sasl?.mechanism;
  });
  expect(sasl).toEqual(['plain', 'scram-sha-256', 'scram-sha-512', 'plain']);
});
refuses(
  'a password that anybody can read, in capitals, too,',
  VERSION,
  broker('brokers: [kafka1:9092], sasl: { mechanism: PLAIN, username: u, password: p }'),
  '2:67 VALUE: with plain and without TLS the password can be read by whoever is on the way — add tls, or use scram-sha-512',
);
refuses(
  'a single broker with replicas',
  VERSION,
  broker('brokers: [kafka1:9092], single_broker: true, replication_factor: 3'),
  '2:89 VALUE: a single broker cannot hold 3 replicas — leave one of them out',
);
refuses(
  'more replicas in sync than there are',
  VERSION,
  broker('brokers: [kafka1:9092], min_insync_replicas: 4'),
  '2:69 VALUE: no append could wait for 4 of 3 replicas',
);
refuses(
  'an agent with a name that is no UUID',
  VERSION,
  `${VERSION}agent: { id: web1 }\n`,
  '2:14 VALUE: agent.id is "web1" — expects a UUID, as uuidgen makes it',
);

test('a Kafka with every setting is understood, paths and defaults with it', () => {
  const text = changed(
    VERSION,
    broker(
      'brokers: ["127.0.0.1:9092", "[::1]:9092"], topic_prefix: logs, tls: { ca: ca.pem, server_name: k }, sasl: { mechanism: scram-sha-512, username: u, password: "${env:P}" }',
    ),
    RIGHT_CONFIG,
  );
  const folder = folderWith('ca.pem');
  const { config } = resolveText(text, `${folder}/tailrace.yaml`, {
    P: 'secret',
    TAILRACE_AGENT_ID: '7d1fcbfc-6b1c-4b0e-9f33-0c4bd0b0a6a1',
  });
  expect(config.agent.id).toBe('7d1fcbfc-6b1c-4b0e-9f33-0c4bd0b0a6a1');
  expect(config.broker).toEqual({
    type: 'kafka',
    brokers: ['127.0.0.1:9092', '[::1]:9092'],
    tls: { caFile: `${folder}/ca.pem`, certFile: null, keyFile: null, serverName: 'k' },
    sasl: { mechanism: 'scram-sha-512', username: 'u', password: 'secret' },
    topicPrefix: 'logs',
    isSingleBroker: false,
    replicationFactor: 3,
    minInSyncReplicas: 2,
    retainMs: 7 * 86_400_000,
  });
});

test.each(['k1:0', 'k1:65536', '[::1]:99999'])('the port of %s is refused', (broker) => {
  const text = RIGHT_CONFIG.replace('version: 1\n', `version: 1\nbroker: { type: kafka, brokers: ["${broker}"] }\n`);
  expect(problemsOf(text).join()).toContain('has no port from 1 to 65535');
});
