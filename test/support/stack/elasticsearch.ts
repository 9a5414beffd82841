// A real Elasticsearch for a test, one node, as a process of this machine: Maven's distribution for integration tests, which
// is the real server with few modules. It answers 405 to `GET /`, and has no ingest pipelines, ILM or Painless.
//
//   const elasticsearch = await startElasticsearch({ security: true });
//   … elasticsearch.url … await elasticsearch.kill(); await elasticsearch.restart(); … await elasticsearch.stop();
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, cp, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TlsFiles } from './certificates.ts';
import { makeCertificates } from './certificates.ts';
import type { ServerObserver } from './server-process.ts';
import { ServerProcess, freePorts } from './server-process.ts';
import { cachedFolder, downloadByMaven } from './stack-cache.ts';
import { findJava, hasTool, javaStartFlags } from './tools.ts';

const run = promisify(execFile);

export const ELASTICSEARCH_VERSION = '9.1.0';
export const ELASTICSEARCH_JAVA = 21;
const START_TIMEOUT_MS = 300_000;

export interface ElasticsearchOptions {
  /** A password for `elastic`, and, unless it says otherwise, TLS by an authority of its own. */
  readonly security?: boolean | 'password-only';
  /** In MiB. */
  readonly heapMiB?: number;
  /** Over the ones here. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly port?: number;
  /** The password of `elastic`, where it must be known before. */
  readonly password?: string;
  /** Where its data goes, and stays; else a temporary folder, which `stop` removes. */
  readonly folder?: string;
  readonly observer?: ServerObserver;
}

export interface ElasticsearchAnswer {
  readonly status: number;
  /** Parsed, where it is JSON. */
  readonly body: unknown;
}

export interface Elasticsearch {
  /** `http://127.0.0.1:port`, or `https://…` with security. */
  readonly url: string;
  readonly tls?: TlsFiles;
  readonly username?: string;
  readonly password?: string;
  readonly pid: number;
  /** By SIGKILL. */
  kill(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** On the same data and port, after a stop by SIGTERM if it still runs. */
  restart(): Promise<void>;
  /** A request past every client: the status and the parsed answer. */
  ask(path: string, method?: string, body?: unknown, password?: string): Promise<ElasticsearchAnswer>;
  tail(): string;
  stop(): Promise<void>;
}

/** Downloads and unpacks the server if it is not there yet, and says where it is. */
export async function elasticsearchHome(): Promise<string> {
  return await cachedFolder(`elasticsearch-${ELASTICSEARCH_VERSION}`, async (folder) => {
    const group = 'org.elasticsearch.distribution.integ-test-zip';
    await downloadByMaven([{ group, artifact: 'elasticsearch', version: ELASTICSEARCH_VERSION, type: 'zip' }], folder);
    const zip = join(folder, `elasticsearch-${ELASTICSEARCH_VERSION}.zip`);
    const jar = join(findJava(ELASTICSEARCH_JAVA)?.home ?? '', 'bin', 'jar');
    if (hasTool('unzip')) await run('unzip', ['-q', zip, '-d', folder], { maxBuffer: 16 << 20 });
    else await run(jar, ['xf', zip], { cwd: folder });
    const unpacked = join(folder, `elasticsearch-${ELASTICSEARCH_VERSION}`);
    for (const name of await readdir(unpacked)) await rename(join(unpacked, name), join(folder, name));
    await Promise.all([zip, unpacked].map((path) => rm(path, { recursive: true })));
    await run('chmod', ['-R', 'a+rX', folder]);
  });
}

export async function startElasticsearch(options: ElasticsearchOptions = {}): Promise<Elasticsearch> {
  const java = findJava(ELASTICSEARCH_JAVA);
  if (java === undefined) throw new Error(`Elasticsearch needs a Java of version ${ELASTICSEARCH_JAVA} or later`);
  const home = await elasticsearchHome();
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'tailrace-elasticsearch-')));
  const node = new ElasticsearchNode(folder, java.home, options);
  try {
    await node.start(home);
    return node;
  } catch (error) {
    await node.stop();
    throw error;
  }
}

/** Elasticsearch does not run as root. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

class ElasticsearchNode implements Elasticsearch {
  url = '';
  tls?: TlsFiles;
  username?: string;
  password?: string;
  readonly #folder: string;
  readonly #javaHome: string;
  readonly #options: ElasticsearchOptions;
  readonly #user = unprivileged();
  #ca: Buffer | undefined;
  #server: ServerProcess | undefined;

  constructor(folder: string, javaHome: string, options: ElasticsearchOptions) {
    this.#folder = folder;
    this.#javaHome = javaHome;
    this.#options = options;
  }

  async start(home: string): Promise<void> {
    const folders = ['config', 'data', 'logs', 'tmp'].map((name) => join(this.#folder, name));
    for (const folder of folders) await mkdir(folder, { recursive: true });
    // The unprivileged user cannot look into the cache of root, so the server is linked into a folder which it can enter.
    await linkTree(home, this.#home);
    await cp(join(home, 'config'), this.#config, { recursive: true });
    const [port = 0, transportPort = 0] = await freePorts(2);
    const { security = false } = this.#options;
    const httpPort = this.#options.port ?? port;
    this.url = `${security === true ? 'https' : 'http'}://127.0.0.1:${httpPort}`;
    const settings = {
      'cluster.name': 'tailrace-stack',
      'node.name': 'node-1',
      'discovery.type': 'single-node',
      'network.host': '127.0.0.1',
      'http.port': String(httpPort),
      'transport.port': String(transportPort),
      'path.data': join(this.#folder, 'data'),
      'path.logs': join(this.#folder, 'logs'),
      'cluster.routing.allocation.disk.threshold_enabled': 'false',
      ...(security === false ? { 'xpack.security.enabled': 'false' } : await this.#secure(security)),
      ...this.#options.settings,
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name}: ${value}`);
    await writeFile(join(this.#config, 'elasticsearch.yml'), `${lines.join('\n')}\n`);
    if (this.#user !== undefined) {
      const { uid, gid } = this.#user;
      await chown(this.#folder, uid, gid);
      // Not the server's own files: those are hard links, and whoever owns one owns the cache.
      await run('chown', ['-R', `${uid}:${gid}`, ...folders]);
      await run('test', ['-x', this.#home], this.#user).catch((error: unknown) => {
        const hint = 'let others enter the folders above it, or do not be root';
        throw new Error(`Elasticsearch runs as nobody here, who cannot enter ${this.#folder}: ${hint}`, {
          cause: error,
        });
      });
    }
    if (security !== false) await this.#setPassword();
    await this.#launch();
  }

  get #config(): string {
    return join(this.#folder, 'config');
  }

  get #home(): string {
    return join(this.#folder, 'home');
  }

  get #env(): NodeJS.ProcessEnv {
    const heap = `${this.#options.heapMiB ?? 1024}m`;
    return {
      ES_JAVA_HOME: this.#javaHome,
      ES_PATH_CONF: this.#config,
      ES_JAVA_OPTS: [`-Xms${heap}`, `-Xmx${heap}`, ...javaStartFlags()].join(' '),
      ES_TMPDIR: join(this.#folder, 'tmp'),
      HOME: this.#folder,
    };
  }

  async #secure(security: true | 'password-only'): Promise<Readonly<Record<string, string>>> {
    this.username = 'elastic';
    this.password = this.#options.password ?? randomBytes(12).toString('hex');
    const settings = { 'xpack.security.enabled': 'true', 'xpack.security.autoconfiguration.enabled': 'false' };
    if (security === 'password-only') return settings;
    const { server, client } = await makeCertificates(this.#config);
    this.tls = client;
    this.#ca = await readFile(client.caFile);
    const ssl = (layer: string) => ({
      [`xpack.security.${layer}.ssl.enabled`]: 'true',
      [`xpack.security.${layer}.ssl.key`]: server.keyFile,
      [`xpack.security.${layer}.ssl.certificate`]: server.certFile,
      [`xpack.security.${layer}.ssl.certificate_authorities`]: server.caFile,
    });
    return { ...settings, ...ssl('http'), ...ssl('transport') };
  }

  async #setPassword(): Promise<void> {
    const tool = join(this.#home, 'bin', 'elasticsearch-keystore');
    const options = { env: { ...process.env, ...this.#env }, cwd: this.#folder, ...this.#user };
    // With `--force` it makes the keystore, or takes the one of an earlier start.
    const script = `printf %s "$PASSWORD" | bash "$0" add --stdin --force bootstrap.password`;
    const env = { ...options.env, PASSWORD: this.password };
    await run('sh', ['-c', script, tool], { ...options, env });
  }

  async #launch(): Promise<void> {
    this.#server = new ServerProcess({
      name: 'Elasticsearch',
      command: 'bash',
      args: [join(this.#home, 'bin', 'elasticsearch')],
      env: this.#env,
      folder: this.#folder,
      keepFolder: this.#options.folder !== undefined,
      observer: this.#options.observer,
      ...(this.#user && { user: this.#user }),
    });
    await this.#server.ready(async () => {
      const { status } = await this.ask('/_cluster/health?wait_for_status=yellow&timeout=1s');
      if (status !== 200) throw new Error(`the health answered ${status}`);
    }, START_TIMEOUT_MS);
  }

  async ask(path: string, method = 'GET', body?: unknown, password = this.password): Promise<ElasticsearchAnswer> {
    const authorization = `Basic ${Buffer.from(`${this.username}:${password}`).toString('base64')}`;
    const options = {
      method,
      timeout: 30_000,
      headers: { 'content-type': 'application/json', ...(this.username !== undefined && { authorization }) },
      ...(this.#ca && { ca: this.#ca }),
    };
    const send = this.url.startsWith('https') ? httpsRequest : httpRequest;
    return await new Promise((resolve, reject) => {
      const request = send(`${this.url}${path}`, options, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        answer.on('error', reject).on('end', () => {
          const isJson = String(answer.headers['content-type']).includes('json');
          resolve({ status: answer.statusCode ?? 0, body: isJson && text !== '' ? JSON.parse(text) : text });
        });
      });
      request.on('error', reject).on('timeout', () => request.destroy(new Error('no answer')));
      request.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
    });
  }

  get #running(): ServerProcess {
    if (this.#server === undefined) throw new Error('Elasticsearch was never started');
    return this.#server;
  }

  get pid(): number {
    return this.#running.pid;
  }

  async kill(): Promise<void> {
    await this.#running.end('SIGKILL');
  }

  signal(signal: NodeJS.Signals): void {
    this.#running.signal(signal);
  }

  async restart(): Promise<void> {
    await this.#running.end('SIGTERM');
    await this.#launch();
  }

  tail(): string {
    return this.#running.tail();
  }

  async stop(): Promise<void> {
    await this.#server?.end(this.#options.folder === undefined ? 'SIGKILL' : 'SIGTERM');
    if (this.#options.folder === undefined) await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Hard links cost nothing; over a file system's border it is a copy. */
async function linkTree(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  try {
    await run('cp', ['-al', from, to]);
  } catch {
    await rm(to, { recursive: true, force: true });
    await cp(from, to, { recursive: true });
  }
}
