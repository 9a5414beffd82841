// `make stack`: the stack without containers, in the foreground, until Ctrl-C. What it stores stays: the next start goes on with it.
import { parseArgs } from 'node:util';
import { NativeStack } from './stack/native.ts';
import { missingForStack, toDownload } from './stack/needs.ts';
import { readSettings } from './stack/settings.ts';

const { values } = parseArgs({
  options: { 'any-ports': { type: 'boolean', default: false }, rate: { type: 'string' } },
});
const rate = Number(values.rate ?? readSettings('.env')['GENERATOR_RATE']);
const stack = new NativeStack({
  folder: process.cwd(),
  rate,
  anyPorts: values['any-ports'],
  say: (line) => console.log(line),
});

let isStopping = false;
async function stop(): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  await stack.stop();
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (!isStopping) console.log('\nstopping');
    void stop().then(() => process.exit(0));
  });
}

try {
  const missing = missingForStack();
  if (missing !== undefined) throw new Error(missing);
  const downloads = toDownload();
  if (downloads.length > 0) console.log(`downloading ${downloads.join(' and ')}, this once`);
  console.log('starting; Elasticsearch takes the longest, up to a minute');
  await stack.start();
} catch (error) {
  if (!isStopping) {
    console.error(error instanceof Error ? error.message : error);
    await stop();
    process.exit(1);
  }
}
if (!isStopping) sayWhatToAsk();

function sayWhatToAsk(): void {
  const exports = Object.entries(stack.settings).map(([name, value]) => `  export ${name}=${value}`);
  const state = stack.ended.length === 0 ? 'All is well' : `All is up but for ${stack.ended.join(' and ')}`;
  console.log(`
${state}: ${rate} lines a second. Ask, in another terminal
${exports.length > 0 ? `${exports.join('\n')}\n` : ''}  ./tailrace sql -c stack.yaml "from traffic order by window_start desc limit 10"
  ./tailrace search -c stack.yaml 'status>=500' --since 15m
  ./tailrace lag -c stack.yaml --watch
  ./tailrace audit -c stack.yaml
Open
  Prometheus     ${stack.urlOf('prometheus')}
  Alertmanager   ${stack.urlOf('alertmanager')}
  Elasticsearch  ${stack.urlOf('elasticsearch')}      user elastic, password in secrets/elastic_password
  Kafka          ${stack.urlOf('kafka').replace('http://', '')}
In another terminal, \`make ps\` lists the parts and \`make logs\` shows what they say; the end of one is said here.
Ctrl-C stops everything; what was stored stays until \`make clean VOLUMES=1\`.`);
}
