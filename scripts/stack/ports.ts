// The ports of the stack on this machine.
import { connect } from 'node:net';
import { freePorts } from '../../test/support/stack/server-process.ts';

/** As in .env, alerts/prometheus.yml and stack.yaml: with these the same files serve the containers and this. */
export const PORTS = {
  kafka: 9092,
  elasticsearch: 9200,
  prometheus: 9090,
  alertmanager: 9093,
  lag: 9308,
  run: 9309,
} as const;
export type PortName = keyof typeof PORTS;

export async function choosePorts(anyPorts: boolean): Promise<Readonly<Record<PortName, number>>> {
  const names = Object.keys(PORTS) as PortName[];
  if (anyPorts) {
    const free = await freePorts(names.length);
    return Object.fromEntries(names.map((name, i) => [name, free[i]])) as Record<PortName, number>;
  }
  const taken: string[] = [];
  for (const name of names) {
    const isTaken = await portAnswers(PORTS[name]).then(
      () => true,
      () => false,
    );
    if (isTaken) taken.push(`${PORTS[name]} (${name})`);
  }
  if (taken.length > 0)
    throw new Error(`somebody listens on ${taken.join(', ')}: stop that, or \`make stack ANY_PORTS=1\` takes others`);
  return PORTS;
}

export async function portAnswers(port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.on('error', reject);
  });
}
