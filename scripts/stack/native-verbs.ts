// `make ps`, `make logs` and `make down` of the stack that `make stack` runs.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Running } from './running.ts';
import { howToStop, isAlive, partsFolder, pidIn, rolesFolder, runningStack } from './running.ts';

const LOOK_MS = 1000;
/** Of each part, before what it says from now on. */
const TAIL_LINES = 15;

export interface NativeVerbs {
  readonly ps: (stack: Running) => number;
  readonly logs: (stack: Running) => Promise<number>;
  readonly down: (stack: Running) => number;
}

/** What they do while a stack runs in `folder`. */
export const nativeVerbs = (folder: string): NativeVerbs => ({
  ps: (stack) => {
    const [parts, roles] = [partsFolder(folder), rolesFolder(folder)];
    const rows = namesOf(parts, '.pid')
      .filter((name) => name !== stack.role)
      .map((name) => rowOf(parts, name));
    // `run` is the pipeline itself.
    const inside = namesOf(roles, '.pid')
      .filter((role) => role !== 'run')
      .map((role) => rowOf(roles, role));
    console.log(
      [
        `\`make stack\` runs here, process ${stack.pid}; its parts`,
        ...rows,
        'and in the pipeline, which starts again what ends',
        ...inside,
        `\`make logs\` shows what they say; ${howToStop(stack)}`,
      ].join('\n'),
    );
    return 0;
  },
  logs: async (stack) => {
    const files = namesOf(partsFolder(folder), '.log').map((name) => join(partsFolder(folder), `${name}.log`));
    // Ctrl-C ends tail; it is how one stops reading, not a failure.
    process.on('SIGINT', () => {});
    const tail = spawn('tail', ['-n', String(TAIL_LINES), '-F', ...files], { stdio: ['ignore', 'inherit', 'ignore'] });
    const ending = setInterval(() => {
      if (runningStack(folder) === undefined) tail.kill();
    }, LOOK_MS);
    await once(tail, 'exit');
    clearInterval(ending);
    if (runningStack(folder) === undefined) console.log(`process ${stack.pid}, \`make stack\`, has ended`);
    return 0;
  },
  down: (stack) => {
    console.log(`\`make stack\` runs in another terminal: ${howToStop(stack)}`);
    return 0;
  },
});

export const isNativeVerb = (name: string): name is keyof NativeVerbs => ['ps', 'logs', 'down'].includes(name);

/** What `make ps`, `logs` and `down` say where nothing runs and `why` says that nothing can be asked either. */
export function nothingRuns(folder: string, verb: string, why: string): string {
  const said = partsFolder(folder);
  const last = verb === 'logs' && existsSync(said) ? `; what the last one said is in ${relative('.', said)}/` : '';
  const way = verb === 'down' ? '' : ': `make stack` starts one';
  return `no stack runs here, and ${why}${way}${last}`;
}

const namesOf = (folder: string, ending: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith(ending))
        .map((name) => name.slice(0, -ending.length))
    : [];

function rowOf(folder: string, name: string): string {
  const pid = pidIn(folder, name);
  return `  ${name.padEnd(20)} ${pid !== undefined && isAlive(pid) ? `process ${pid}` : 'ENDED'}`;
}
