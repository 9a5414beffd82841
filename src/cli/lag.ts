import { type Command, Option } from 'commander';
import type { Config } from '../config/config.ts';
import { suggestion } from '../config/nearest.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { listenForStop } from '../lib/stop-signals.ts';
import { DURATION_FORM, parseDuration } from '../lib/units.ts';
import { type StatusPainter, groupLags, lagJson, lagText } from '../query/lag-report.ts';
import { groupStatus } from '../query/lag-status.ts';
import type { LagLook } from '../query/lag.ts';
import { clusterText } from '../roles/cluster-text.ts';
import { openBoard } from '../roles/lag-board.ts';
import type { Components, Launch } from '../roles/definitions.ts';
import { withExamples } from './examples.ts';
import { type LagTarget, SCAN_MS_MAX, SILENT, UNREACHABLE_MS, configOf } from './lag-target.ts';
import { hasColours, painter, print, printJson, say, saying } from './output.ts';

const EXAMPLES = `Examples:
  tailrace lag                        every reader of this pipeline's topics: lines, bytes, seconds, status
  tailrace lag --watch                the same, each second
  tailrace lag --json --fail-on err   for scripts: exit code 1 when a reader stands still
  tailrace lag --group web.warehouse --fail-on err
                                      for the health check of one role: exit code 1, too, where nobody reads as that group
  tailrace lag --listen 127.0.0.1:9308
                                      for Prometheus: /metrics, with kafka_exporter's names and our own
`;

interface LagOptions extends LagTarget {
  readonly json?: boolean;
  readonly watch?: boolean;
  readonly interval: string;
  readonly group?: string;
  readonly failOn?: 'warn' | 'err';
  readonly listen?: string;
  readonly tokenFile?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

const ONCE_GAP_MS = 1000;
export function registerLag(program: Command, { components }: Launch): void {
  const command = program
    .command('lag')
    .description(
      'Shows how far every reader of the log is behind, in lines, bytes and seconds, and whether it moves: OK, WARN (its lag only grows), STOP (it is silent), STALL (it reports and does not move), REWIND (it went back). Reads headers only.',
    )
    .option('-c, --config <file>', 'the configuration (default: ./tailrace.yaml)')
    .option('--data-dir <folder>', 'where everything is kept, for runs without a configuration')
    .option('--json', 'one JSON object a look')
    .option('-w, --watch', 'look again and again, until stopped')
    .option('--interval <duration>', 'time between two looks', '1s')
    .option('--group <name>', 'only this reader')
    .addOption(new Option('--fail-on <status>', 'exit code 1 from this status on').choices(['warn', 'err']))
    .option('--listen <host:port>', 'serve /metrics and /healthz, until stopped')
    .option('--token-file <file>', 'scrapes must bring the token that is in it')
    .option('--tls-cert <file>', 'serve https, with this certificate (PEM)')
    .option('--tls-key <file>', 'and this key (PEM)')
    .action((options: LagOptions) => lag(options, components, systemClock));
  withExamples(command, EXAMPLES);
  registerForget(command, components);
}

const FORGET_EXAMPLES = `Examples:
  tailrace lag forget web.old_warehouse     of a sink that was taken out of the configuration
`;

function registerForget(lagCommand: Command, components: Components): void {
  const command = lagCommand
    .command('forget')
    .description(
      'Forgets a reader that will not come back: what it has not read is no longer kept for it. If it does come back, it finds a part of the log gone and stops.',
    )
    .argument('<group>', 'as tailrace lag has it')
    .option('-c, --config <file>', 'the configuration (default: ./tailrace.yaml)')
    .option('--data-dir <folder>', 'where everything is kept, for runs without a configuration')
    .action(async (group: string, _options: unknown, self: Command) => {
      const { forgetReader } = await import('./lag-forget.ts');
      await forgetReader(group, self.optsWithGlobals(), components);
    });
  withExamples(command, FORGET_EXAMPLES);
}

async function lag(options: LagOptions, components: Components, clock: Clock): Promise<void> {
  const intervalMs = parseDuration(options.interval);
  if (intervalMs === undefined || intervalMs < 100) {
    throw new OperatingError(`--interval expects ${DURATION_FORM}, from 100ms on`, {
      code: 'USAGE',
      exitCode: EXIT.usage,
    });
  }
  const config = await configOf(options, components);
  if (options.listen !== undefined) {
    const { serveLag } = await import('./lag-exporter.ts');
    return serveLag({ ...options, listen: options.listen }, { config, components, clock, intervalMs });
  }
  const { group } = options;
  const shown = options.json === true ? (look: LagLook) => printJson(lagJson(look)) : showText(options.watch === true);
  let isSaid = false;
  const show: Show = (look) => {
    const own = ofGroup(look, group);
    const isUnknown = group !== undefined && own.lags.length === 0;
    if (isUnknown && !isSaid) say(nobodyReadsAs(group, look));
    isSaid = isUnknown;
    if (!isUnknown || options.json === true) shown(own);
  };
  return options.watch === true
    ? watch(config, components, { clock, intervalMs }, show)
    : lookOnce(config, components, { clock, options }, show);
}

type Show = (look: LagLook) => void;

const ofGroup = (look: LagLook, group: string | undefined): LagLook =>
  group === undefined ? look : { ...look, lags: look.lags.filter((lag) => lag.group === group) };

function nobodyReadsAs(group: string, { lags }: LagLook): string {
  const groups = [...new Set(lags.map((lag) => lag.group))];
  const hint = suggestion(group, groups) ?? 'nobody reads these topics yet';
  return `nobody reads as group "${escapeText(group)}" (${escapeText(hint)})`;
}

async function lookOnce(
  config: Config,
  components: Components,
  { clock, options }: { readonly clock: Clock; readonly options: LagOptions },
  show: Show,
): Promise<void> {
  const { board, close } = openBoard(config, components, {
    clock,
    scanMsMax: SCAN_MS_MAX.once,
    stop: AbortSignal.timeout(UNREACHABLE_MS),
    notify: SILENT,
  });
  await board.look();
  await clock.sleep(ONCE_GAP_MS);
  const look = await board.look();
  show(look);
  if (isBad(look, options)) process.exitCode = EXIT.failed;
  await close();
}

/** Asked to end: that is how a watch ends. */
async function watch(
  config: Config,
  components: Components,
  { clock, intervalMs }: { readonly clock: Clock; readonly intervalMs: number },
  show: Show,
): Promise<void> {
  const { signal } = listenForStop();
  const { board, close } = openBoard(config, components, {
    clock,
    scanMsMax: SCAN_MS_MAX.watch,
    stop: signal,
    notify: saying(clusterText),
  });
  while (!signal.aborted) {
    show(await board.look());
    await clock.sleep(intervalMs, signal);
  }
  await close();
}

function isBad(look: LagLook, { failOn, group }: LagOptions): boolean {
  if (failOn === undefined) return false;
  const { lags } = ofGroup(look, group);
  // A reader that is asked for and is not there does not read.
  if (lags.length === 0) return group !== undefined;
  const status = groupStatus(groupLags(lags).map((one) => one.status));
  return status === 'ERR' || (failOn === 'warn' && status === 'WARN');
}

/** On a terminal a watch redraws; elsewhere each look stands under its time. */
function showText(isWatch: boolean): (look: LagLook) => void {
  const paint = painter(hasColours(process.stdout));
  const paintStatus: StatusPainter = (status, text) =>
    paint(status === 'OK' ? 'green' : status === 'WARN' ? 'yellow' : 'red', text);
  return (look) => {
    const text = lagText(look, paintStatus);
    if (!isWatch) return print(text);
    const time = new Date(look.atMs).toISOString();
    print(process.stdout.isTTY ? `\u001b[H\u001b[2J${time}\n\n${text}` : `${time}\n${text}\n`);
  };
}
