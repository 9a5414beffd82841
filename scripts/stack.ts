// `make stack`: the stack without containers, in the foreground, until Ctrl-C. What it stores stays: the next start goes on with it.
import { parseArgs } from 'node:util';
import { NativeStack } from './stack/native.ts';
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
  console.log('\nstopping');
  await stack.stop();
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    void stop().then(() => process.exit(0));
  });
}

try {
  console.log('starting; the first time, Kafka and Elasticsearch are downloaded (150 MB)');
  await stack.start();
} catch (error) {
  if (!isStopping) {
    console.error(error instanceof Error ? error.message : error);
    await stop();
    process.exit(1);
  }
}
const exports = Object.entries(stack.settings).map(([name, value]) => `  export ${name}=${value}`);
console.log(`
All is well: ${rate} lines a second. Ask, in another terminal
${exports.length > 0 ? `${exports.join('\n')}\n` : ''}  ./tailrace sql -c stack.yaml "from traffic order by window_start desc limit 10"
  ./tailrace search -c stack.yaml 'status>=500' --since 15m
  ./tailrace lag -c stack.yaml --watch
  ./tailrace audit -c stack.yaml
Open
  Prometheus     ${stack.urlOf('prometheus')}
  Alertmanager   ${stack.urlOf('alertmanager')}
  Elasticsearch  ${stack.urlOf('elasticsearch')}      user elastic, password in secrets/elastic_password
  Kafka          ${stack.urlOf('kafka').replace('http://', '')}
Ctrl-C stops everything; what was stored stays until make clean VOLUMES=1.`);
