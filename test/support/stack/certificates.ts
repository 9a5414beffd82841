// A certificate authority for one run of a test, and what it signs, all by openssl, for the loopback.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Paths of PEM files. */
export interface TlsFiles {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Certificates {
  readonly server: TlsFiles;
  readonly client: TlsFiles;
  /** Key and certificates of the server in one file, as Kafka reads them. */
  readonly serverBundle: string;
}

export async function makeCertificates(folder: string): Promise<Certificates> {
  const file = (name: string): string => join(folder, name);
  const ca = ['-keyout', file('ca.key'), '-out', file('ca.pem'), '-subj', '/CN=a test authority'];
  await run('openssl', ['req', '-x509', '-days', '30', ...KEY, ...ca]);
  const sign = async (name: string): Promise<TlsFiles> => {
    const files = { caFile: file('ca.pem'), certFile: file(`${name}.pem`), keyFile: file(`${name}.key`) };
    const request = ['-keyout', files.keyFile, '-out', file(`${name}.csr`), '-subj', `/CN=${name}`];
    await run('openssl', ['req', ...KEY, ...request]);
    await writeFile(file(`${name}.ext`), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
    const signed = ['-in', file(`${name}.csr`), '-out', files.certFile, '-extfile', file(`${name}.ext`)];
    const by = ['-CA', files.caFile, '-CAkey', file('ca.key'), '-CAcreateserial'];
    await run('openssl', ['x509', '-req', '-days', '30', ...by, ...signed]);
    return files;
  };
  const server = await sign('server');
  const client = await sign('client');
  const parts = await Promise.all([server.keyFile, server.certFile, server.caFile].map((path) => readFile(path)));
  await writeFile(file('server-bundle.pem'), Buffer.concat(parts), { mode: 0o600 });
  return { server, client, serverBundle: file('server-bundle.pem') };
}
