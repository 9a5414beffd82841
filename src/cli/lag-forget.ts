import { suggestion } from '../config/nearest.ts';
import { systemClock } from '../lib/clock.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { openBoard } from '../roles/lag-board.ts';
import { sinkReaders } from '../roles/sink-readers.ts';
import type { Components } from '../roles/definitions.ts';
import { type LagTarget, SCAN_MS_MAX, SILENT, UNREACHABLE_MS, configOf } from './lag-target.ts';
import { print } from './output.ts';

/** A reader that has reported within this time is at work: if it were forgotten, it would be back at once. */
const AT_WORK_MS = 60_000;

/** `tailrace lag forget`: a reader that does not come back holds everything that it has not read. */
export async function forgetReader(group: string, target: LagTarget, components: Components): Promise<void> {
  const config = await configOf(target, components);
  const own = [`pipeline.${config.name}`, ...sinkReaders(config, components).map((reader) => reader.group)];
  if (own.includes(group)) {
    throw refusal(`group ${group} is a reader of this configuration`, 'take its sink out, and start the run again');
  }
  const stop = AbortSignal.timeout(UNREACHABLE_MS);
  const { board, log, close } = openBoard(config, components, {
    clock: systemClock,
    scanMsMax: SCAN_MS_MAX.watch,
    stop,
    notify: SILENT,
  });
  try {
    const { lags, atMs } = await board.look();
    const of = lags.filter((reader) => reader.group === group);
    if (of.length === 0) {
      const others = [...new Set(lags.map((reader) => reader.group))].filter((name) => !own.includes(name));
      throw refusal(
        `nobody reads as group "${escapeText(group)}"`,
        escapeText(suggestion(group, others) ?? 'every reader there is belongs to this configuration'),
      );
    }
    const silentMs = atMs - Math.max(...of.map(({ reportedAtMs }) => reportedAtMs));
    if (silentMs < AT_WORK_MS) {
      throw refusal(
        `group ${group} is at work: it reported ${Math.round(silentMs / 1000)} s ago`,
        'stop it, and wait a minute',
      );
    }
    await log.forget(group);
    print(`forgotten: ${group}; what only it had not read is trimmed with the next checkpoints`);
  } finally {
    await close();
  }
}

function refusal(message: string, hint: string): OperatingError {
  return new OperatingError(message, { code: 'LAG_NOT_FORGOTTEN', exitCode: EXIT.usage, hint });
}
