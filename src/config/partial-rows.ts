import { type Pipeline, type RollupSpec, inReadingOrder } from '../epoch/pipeline.ts';
import type { RowSchema } from '../epoch/table.ts';
import { fieldsOf } from '../expressions/tree.ts';
import type { ConfigComponents, Report } from './definitions.ts';
import { operatorOf } from './windows.ts';

/**
 * Where a stream has several partitions, each makes rows of its own of a key and a window. A table that reads such rows reads parts: of those, only
 * what brings parts together is right. Rows of a window that has all lines of its key in one partition are whole.
 */
export function checkPartialRows(
  { streams, rollups, tables }: Pick<Pipeline, 'rollups' | 'tables'> & PartitionsOf,
  components: ConfigComponents,
  report: Report,
): void {
  for (const name of inReadingOrder(rollups)) {
    const spec = rollups[name]!;
    const { stream, input } = tables[name]!;
    const partitions = streams[stream]?.partitions ?? 1;
    if (input === undefined || partitions === 1) continue;
    const isWhole = operatorOf(rollups[input]!.window, components).needsKeyInOnePartition;
    const where = `each of the ${partitions} partitions of ${stream} has its own`;
    if (operatorOf(spec.window, components).needsKeyInOnePartition) {
      const message = `a ${spec.window.type} window needs all rows of a key in one partition, but ${where} rows of ${input}`;
      const missing = tables[input]!.keys.filter(({ field, as = field }) => !spec.by.some((key) => key.field === as));
      const keys = missing.map(({ field, as = field }) => as).join(', ');
      const hint = isWhole
        ? `add the keys of ${input}: ${keys}; or say partitions: 1`
        : 'say partitions: 1, or read the stream';
      if (!isWhole || missing.length > 0)
        report(['rollups', name, 'window', 'type'], 'value', { code: 'CONFIG_VALUE', message, hint });
    } else if (!isWhole) checkParts({ name, spec, input: tables[input]!, where }, components, report);
  }
}

interface PartitionsOf {
  readonly streams: Readonly<Record<string, { readonly partitions: number } | undefined>>;
}

interface Reading {
  readonly name: string;
  readonly spec: RollupSpec;
  readonly input: RowSchema;
  readonly where: string;
}

function checkParts({ name, spec, input, where }: Reading, { aggregates }: ConfigComponents, report: Report): void {
  const why = `rows of ${input.table} are partial: ${where}`;
  for (const [i, { field }] of spec.by.entries()) {
    if (aggregateOf(input, field) === undefined) continue;
    const hint = 'take keys of that table, or say partitions: 1';
    report(['rollups', name, 'by', i], 'value', {
      code: 'CONFIG_VALUE',
      message: `${field} cannot be a key here: ${why}`,
      hint,
    });
  }
  const named = spec.where === undefined ? [] : fieldsOf(spec.where.tree);
  const partial = named.find(({ name: field }) => aggregateOf(input, field) !== undefined);
  if (partial !== undefined) {
    const hint = 'take keys of that table, or say partitions: 1';
    const message = `${partial.name} cannot be in a condition here: ${why}`;
    report(['rollups', name, 'where'], 'value', { code: 'CONFIG_VALUE', message, hint });
  }
  for (const { name: measure, aggregate, field, text: written } of spec.measures) {
    const of = field === undefined ? undefined : aggregateOf(input, field);
    if (of !== undefined && aggregates[aggregate]!.combines?.includes(of) === true) continue;
    const text = written ?? (field === undefined ? aggregate : `${aggregate}(${field})`);
    const hint =
      field === undefined
        ? 'write sum(lines) to count lines; to count rows, say partitions: 1'
        : 'take the sum of a count or a sum, the min of a min, the max of a max; or say partitions: 1';
    const message = `${text} would not be that of whole rows: ${why}`;
    report(['rollups', name, 'measures', measure], 'value', { code: 'CONFIG_VALUE', message, hint });
  }
}

/** How parts of the column come together to the whole; undefined for what is the same in all of them. */
function aggregateOf({ measures, derived = [] }: RowSchema, field: string): string | undefined {
  if (derived.some(({ name }) => name === field)) return 'derived';
  return field === 'lines' || field === 'revision' ? 'count' : measures.find(({ name }) => name === field)?.aggregate;
}
