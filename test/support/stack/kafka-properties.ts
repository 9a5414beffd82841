// What a broker of the tests is told: small, quick to start and to rebalance, with topics made only on request.
import type { Certificates } from './certificates.ts';

export interface KafkaNode {
  readonly id: number;
  readonly clientPort: number;
  readonly directPort: number;
  readonly controllerPort: number;
  /** `host:port` that clients are told. */
  readonly advertised: string;
  readonly dataFolder: string;
}

export interface KafkaSecurity {
  readonly sasl?: { readonly username: string; readonly password: string };
  readonly tls?: { readonly certificates: Certificates; readonly isMutual: boolean };
}

/** Warnings and errors on stdout, which `ServerProcess` keeps. */
export const LOG_PROPERTIES = `
status=error
rootLogger.level=warn
rootLogger.appenderRef.stdout.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{HH:mm:ss.SSS} %p %c{1} %m%n
`;

const SMALL = {
  'auto.create.topics.enable': 'false',
  'group.initial.rebalance.delay.ms': '0',
  'offsets.topic.num.partitions': '4',
  'transaction.state.log.num.partitions': '2',
  'share.coordinator.state.topic.num.partitions': '1',
  'num.partitions': '1',
  'num.network.threads': '2',
  'num.io.threads': '4',
  'log.cleaner.dedupe.buffer.size': '16777216',
  'background.threads': '2',
};

export function nodeProperties(
  node: KafkaNode,
  nodes: readonly KafkaNode[],
  security: KafkaSecurity,
): Readonly<Record<string, string>> {
  const replicas = String(nodes.length);
  const inSync = String(Math.max(1, nodes.length - 1));
  return {
    ...SMALL,
    'process.roles': 'broker,controller',
    'node.id': String(node.id),
    'controller.quorum.voters': nodes.map(({ id, controllerPort }) => `${id}@127.0.0.1:${controllerPort}`).join(','),
    listeners: [
      `CLIENT://127.0.0.1:${node.clientPort}`,
      `DIRECT://127.0.0.1:${node.directPort}`,
      `CONTROLLER://127.0.0.1:${node.controllerPort}`,
    ].join(','),
    'advertised.listeners': `CLIENT://${node.advertised},DIRECT://127.0.0.1:${node.directPort}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'DIRECT',
    'listener.security.protocol.map': `CLIENT:${protocolOf(security)},DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    'log.dirs': node.dataFolder,
    'default.replication.factor': replicas,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': inSync,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': inSync,
    ...saslProperties(security),
    ...tlsProperties(security),
  };
}

function protocolOf({ sasl, tls }: KafkaSecurity): string {
  if (sasl !== undefined) return tls === undefined ? 'SASL_PLAINTEXT' : 'SASL_SSL';
  return tls === undefined ? 'PLAINTEXT' : 'SSL';
}

function saslProperties({ sasl }: KafkaSecurity): Readonly<Record<string, string>> {
  if (sasl === undefined) return {};
  const plain = 'org.apache.kafka.common.security.plain.PlainLoginModule required';
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  return {
    'listener.name.client.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.client.plain.sasl.jaas.config': `${plain} user_${sasl.username}="${sasl.password}";`,
    'listener.name.client.scram-sha-256.sasl.jaas.config': scram,
    'listener.name.client.scram-sha-512.sasl.jaas.config': scram,
  };
}

function tlsProperties({ tls }: KafkaSecurity): Readonly<Record<string, string>> {
  if (tls === undefined) return {};
  return {
    'listener.name.client.ssl.keystore.type': 'PEM',
    'listener.name.client.ssl.keystore.location': tls.certificates.serverBundle,
    'listener.name.client.ssl.truststore.type': 'PEM',
    'listener.name.client.ssl.truststore.location': tls.certificates.server.caFile,
    'listener.name.client.ssl.client.auth': tls.isMutual ? 'required' : 'none',
  };
}
