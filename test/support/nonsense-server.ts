// A server that speaks no protocol: each connection gets the bytes that a test says, however they are asked for.
import { once } from 'node:events';
import { type AddressInfo, type Socket, createServer } from 'node:net';

export interface NonsenseServer {
  readonly port: number;
  readonly address: string;
  /** How many connections there were. */
  connections(): number;
  stop(): Promise<void>;
}

/** `answer` is called with each piece that comes; it writes what it likes. */
export async function startNonsense(answer: (socket: Socket, bytes: Buffer) => void): Promise<NonsenseServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => answer(socket, bytes));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    address: `127.0.0.1:${port}`,
    connections: () => sockets.size,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A frame of Kafka's: a length, the number of a request, a body. */
export function frameOf(size: number, correlationId: number, body: Uint8Array = new Uint8Array(0)): Buffer {
  const head = Buffer.alloc(8);
  head.writeInt32BE(size, 0);
  head.writeInt32BE(correlationId, 4);
  return Buffer.concat([head, body]);
}

/** Writes a beginning, and then zeros as fast as they are taken, for as long as the connection lasts. */
export function flood(socket: Socket, beginning: Buffer): void {
  socket.write(beginning);
  const piece = Buffer.alloc(1024 * 1024);
  const more = (): void => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.on('drain', more);
  more();
}
