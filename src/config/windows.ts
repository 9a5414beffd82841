import type { RollupSpec, WindowSpec } from '../epoch/pipeline.ts';
import { present } from '../lib/assert.ts';
import type { OperatorDefinition } from '../operators/operator.ts';
import type { ConfigComponents, Report } from './definitions.ts';
import type { Path } from './document.ts';
import { type ConfigFile, ROWS_MAX } from './schema.ts';

const NUMBER = new Intl.NumberFormat('en-US');

/** A window as the schema lets it through. */
export type WindowSection = Readonly<Record<string, unknown>> & { readonly type: string };

export function operatorOf(
  { type }: { readonly type: string },
  { operators }: Pick<ConfigComponents, 'operators'>,
): OperatorDefinition {
  return present(operators[type], `operator ${type} is known`);
}

/** Undefined where an option does not fit the others. */
export function resolveWindow(
  path: Path,
  window: WindowSection,
  components: ConfigComponents,
  report: Report,
): WindowSpec | undefined {
  const { type: _type, ...options } = window;
  const resolved = operatorOf(window, components).resolve(options);
  if (!('problem' in resolved)) return resolved.window;
  const { option, ...problem } = resolved.problem;
  report([...path, option], 'value', { code: 'CONFIG_VALUE', ...problem });
  return undefined;
}

/** Rows that a jump of the clock may give at once, in one partition: about 80 bytes each until the next epoch. */
const ROWS_AT_ONCE_MAX = { usual: 16_000_000, most: 64_000_000 };

/** What `rows_max` comes to, given or not, with windows that end all at once when the clock jumps. */
export function rowsMaxOf(
  path: Path,
  given: number | undefined,
  window: WindowSpec,
  components: ConfigComponents,
  report: Report,
): number {
  const rowsOfKey = operatorOf(window, components).rowsOfKey?.(window) ?? 1;
  if (given === undefined) return Math.min(ROWS_MAX.usual, Math.floor(ROWS_AT_ONCE_MAX.usual / rowsOfKey));
  if (given * rowsOfKey > ROWS_AT_ONCE_MAX.most) {
    const most = NUMBER.format(ROWS_AT_ONCE_MAX.most);
    const message = `${NUMBER.format(given)} keys in ${rowsOfKey} windows that overlap may give ${NUMBER.format(given * rowsOfKey)} rows at once, when the clock jumps; ${most} are the most`;
    const hint = `say rows_max: ${Math.floor(ROWS_AT_ONCE_MAX.most / rowsOfKey)} or less, or choose a longer slide`;
    report([...path, 'rows_max'], 'value', { code: 'CONFIG_VALUE', message, hint });
  }
  return given;
}

/**
 * Files are spread over the partitions of a stream, and so are the lines of a key: what needs all of them in one place takes one partition, or
 * a topic whose producer has put them there.
 */
export function checkPartitions(
  { sources, streams }: ConfigFile,
  rollups: Readonly<Record<string, RollupSpec>>,
  components: ConfigComponents,
  report: Report,
): void {
  for (const [name, { from, window }] of Object.entries(rollups)) {
    const { partitions = 1 } = streams[from] ?? {};
    const spread = Object.entries(
      sources as Readonly<Record<string, { readonly type: string; readonly stream: string }>>,
    ).find(([, source]) => source.stream === from && components.sources[source.type]?.keepsKeys === false);
    if (!operatorOf(window, components).needsKeyInOnePartition || partitions === 1 || spread === undefined) continue;
    report(['rollups', name, 'window', 'type'], 'value', {
      code: 'CONFIG_VALUE',
      message: `a ${window.type} window needs all lines of a key in one partition, and the files of ${spread[0]} are spread over the ${partitions} of ${from}`,
      hint: 'say partitions: 1, or read a topic whose producer writes by this key',
    });
  }
}
