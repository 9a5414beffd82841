// `make up`, `down`, `logs`, `ps`, and the volumes of `make clean VOLUMES=1`: Compose with the secrets in its environment. `up` waits
// until everything is well, says what it waits for, and then what to open.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { dashboardLink } from '../src/query/kibana-link.ts';
import { DASHBOARD } from '../src/sinks/elasticsearch/kibana-names.ts';
import { UNAVAILABLE, composeCommand, isNoise, missingCompose, needsDocker } from './stack/docker.ts';
import { isNativeVerb, nativeVerbs, nothingRuns } from './stack/native-verbs.ts';
import { runningStack } from './stack/running.ts';
import { ensureSecrets, markKnownToContainers, secretVariables } from './stack/secrets.ts';
import { readSettings } from './stack/settings.ts';

const SECRETS = 'secrets';
/** Images of two gigabytes may have to come first. */
const UP_TIMEOUT_MS = 20 * 60_000;
const LOOK_MS = 2000;
/** The exit code of Compose after Ctrl-C. */
const INTERRUPTED = 130;

interface ContainerState {
  /** Such as `tailrace-engine-2`. */
  readonly Name: string;
  readonly Service: string;
  readonly State: string;
  readonly Health: string;
  readonly ExitCode: number;
}

class Compose {
  readonly #command: readonly string[];
  readonly #env: NodeJS.ProcessEnv;

  constructor(command: readonly string[]) {
    this.#command = command;
    this.#env = { ...process.env, ...secretVariables(SECRETS) };
  }

  /** Runs it before the user's eyes, and gives its exit code. */
  show(...args: readonly string[]): number {
    const [command = '', ...rest] = this.#command;
    return spawnSync(command, [...rest, ...args], { stdio: 'inherit', env: this.#env }).status ?? 1;
  }

  /** Runs it in the background; what it has to say is kept for the case that it fails. */
  async quietly(...args: readonly string[]): Promise<{ readonly code: number; readonly said: string }> {
    const [command = '', ...rest] = this.#command;
    const child = spawn(command, [...rest, '--progress', 'plain', ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: this.#env,
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const [code] = (await once(child, 'close')) as [number | null];
    return {
      code: code ?? 1,
      said: said
        .split('\n')
        .filter((line) => !isNoise(line))
        .slice(-20)
        .join('\n'),
    };
  }

  /** One line of JSON a container. */
  states(): ContainerState[] {
    const [command = '', ...rest] = this.#command;
    const { stdout } = spawnSync(command, [...rest, 'ps', '--all', '--format', 'json'], {
      encoding: 'utf8',
      env: this.#env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return (stdout ?? '')
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as ContainerState);
  }
}

/** What a user reads of a container: it may be on its way, well, done, or broken. */
function progressOf({ State, Health, ExitCode }: ContainerState): string {
  if (State === 'exited') return ExitCode === 0 ? 'done' : `failed with exit code ${ExitCode}`;
  if (Health === 'healthy') return 'healthy';
  if (Health === 'unhealthy') return 'unhealthy';
  return State === 'running' ? 'starting' : State;
}

const isWell = ({ progress }: { readonly progress: string }): boolean => progress === 'healthy' || progress === 'done';

/** Says each change in one line, with the time and how many are well, until all are, or Compose gives up. Gives what is broken, if anything. */
async function watch(compose: Compose, upCode: () => number | undefined): Promise<string | undefined> {
  const startedMs = performance.now();
  const known = new Map<string, { readonly service: string; readonly progress: string }>();
  while (performance.now() - startedMs < UP_TIMEOUT_MS) {
    const states = compose.states();
    for (const state of states) {
      const progress = progressOf(state);
      if (known.get(state.Name)?.progress === progress) continue;
      known.set(state.Name, { service: state.Service, progress });
      const well = [...known.values()].filter(isWell).length;
      const seconds = String(Math.round((performance.now() - startedMs) / 1000)).padStart(4);
      const label = state.Name.replace(/^[^-]+-/, '').padEnd(20);
      console.log(`${seconds} s  ${label} ${progress} (${well} of ${states.length})`);
      if (progress.startsWith('failed')) return state.Service;
    }
    const code = upCode();
    const allWell = states.length > 0 && [...known.values()].every(isWell);
    if (code === 0 && allWell) return undefined;
    if (code !== undefined && code !== 0) break;
    await sleep(LOOK_MS);
  }
  return [...known.values()].find((container) => !isWell(container))?.service ?? 'Compose';
}

async function up(compose: Compose): Promise<number> {
  console.log('building the image, and fetching those of others that are missing');
  if (compose.show('build', '--quiet') !== 0) return 1;
  markKnownToContainers(SECRETS);
  let result: { readonly code: number; readonly said: string } | undefined;
  const starting = compose
    .quietly('up', '--detach', '--quiet-pull', '--remove-orphans')
    .then((ended) => (result = ended));
  const broken = await watch(compose, () => result?.code);
  await starting;
  if (broken === undefined && result?.code === 0) {
    console.log(whatToOpen());
    return 0;
  }
  console.error(result?.said ?? '');
  if (broken !== undefined) compose.show('logs', '--tail', '40', broken);
  console.error(
    `${broken ?? 'the stack'} did not start: see above; \`make logs\` shows all, \`make down\` stops the rest`,
  );
  return 1;
}

function whatToOpen(): string {
  const settings = readSettings('.env');
  const at = (name: string): string => `http://127.0.0.1:${settings[`${name}_PORT`]}`;
  return [
    '',
    'All is well. Open',
    `  Kibana         ${at('KIBANA')}      user elastic, password in secrets/elastic_password`,
    `                 ${dashboardLink(at('KIBANA'), DASHBOARD)}`,
    `  Grafana        ${at('GRAFANA')}      user admin, password in secrets/grafana_password`,
    `  Prometheus     ${at('PROMETHEUS')}`,
    `  Alertmanager   ${at('ALERTMANAGER')}`,
    `  Elasticsearch  ${at('ELASTICSEARCH')}      as Kibana`,
    `  Kafka          127.0.0.1:${settings['KAFKA_PORT']}`,
    'Ask',
    '  docker compose exec warehouse tailrace sql "from traffic order by window_start desc limit 10"',
    '  docker compose exec warehouse tailrace audit',
    "  ./tailrace search -c stack.yaml 'status>=500' --since 15m",
    '  ./tailrace lag -c stack.yaml --watch',
    'make smoke proves it; make logs, make ps, make down; make clean VOLUMES=1 forgets everything.',
  ].join('\n');
}

const VERBS: Readonly<Record<string, (compose: Compose) => number | Promise<number>>> = {
  up,
  down: (compose) => compose.show('down', '--remove-orphans'),
  logs: (compose) => {
    // Ctrl-C is for Compose; it is how one stops reading, not a failure.
    process.on('SIGINT', () => {});
    const code = compose.show('logs', '--follow', '--tail', '100');
    return code === INTERRUPTED ? 0 : code;
  },
  ps: (compose) => compose.show('ps', '--all'),
  forget: (compose) => compose.show('down', '--remove-orphans', '--volumes'),
};

async function main(): Promise<number> {
  const name = process.argv[2] ?? '';
  const verb = VERBS[name];
  if (verb === undefined) throw new Error(`one of ${Object.keys(VERBS).join(', ')}`);
  const why = missingCompose();
  const stack = runningStack('.');
  const isAsked = isNativeVerb(name);
  // Ports are the same, so there is one stack or the other.
  if (isAsked && stack !== undefined && (why !== undefined || name !== 'down'))
    return await nativeVerbs('.')[name](stack);
  if (why !== undefined && isAsked) {
    console.log(nothingRuns('.', name, why));
    return 0;
  }
  if (why !== undefined) {
    console.error(needsDocker(`make ${name}`, why));
    return UNAVAILABLE;
  }
  ensureSecrets(SECRETS);
  return await verb(new Compose(composeCommand() ?? []));
}

process.exitCode = await main();
