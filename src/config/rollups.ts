import type { RollupSpec } from '../epoch/pipeline.ts';
import { tableFields } from '../epoch/table-fields.ts';
import type { StreamPlan } from '../transforms/stream-plan.ts';
import type { ConfigComponents, Report, Section } from './definitions.ts';
import { resolveDerived } from './derived-measures.ts';
import { type ExpressionReader, readCondition } from './expressions.ts';
import type { StreamFields } from './measures.ts';
import { resolveColumns } from './rollup-columns.ts';
import { schemasOf } from './schema.ts';
import { originsOf } from './transforms.ts';
import { type WindowSection, operatorOf, resolveWindow, rowsMaxOf } from './windows.ts';

export interface RollupSections {
  readonly rollups: Section | undefined;
  readonly streams: Section | undefined;
  /** Of the streams that are right. */
  readonly plans: ReadonlyMap<string, StreamPlan>;
}

/** What a rollup reads: the lines of a stream, or the rows of the table `input`. */
interface Input {
  readonly lines: StreamFields;
  readonly plan?: StreamPlan;
  readonly input?: string;
}

/** The rollups that are right, in the order of the file; what they read may stand behind them. */
export function resolveRollups(
  sections: RollupSections,
  components: ConfigComponents,
  reader: ExpressionReader,
): Record<string, RollupSpec> {
  const rollups = sections.rollups ?? {};
  const resolved = new Map<string, RollupSpec | undefined>();
  const resolve = (name: string): RollupSpec | undefined => {
    if (resolved.has(name)) return resolved.get(name);
    // In a circle, which is said where it begins.
    resolved.set(name, undefined);
    const from = fromOf(rollups, name);
    const input =
      from === undefined || !checkInput(name, from, sections, reader.report) ? undefined : inputOf(name, from);
    const spec =
      input === undefined ? undefined : resolveRollup(name, sectionOf(rollups, name), input, components, reader);
    resolved.set(name, spec);
    return spec;
  };
  const inputOf = (name: string, from: string): Input | undefined => {
    const plan = sections.plans.get(from);
    if (plan !== undefined) return { lines: plan, plan };
    const spec = from === name || !Object.hasOwn(rollups, from) ? undefined : resolve(from);
    if (spec === undefined) return undefined;
    const [schema] = operatorOf(spec.window, components).tables(from, spec, components.aggregates);
    return { lines: { fields: tableFields(schema!, components.aggregates), of: `the rows of ${from}` }, input: from };
  };
  return Object.fromEntries(
    Object.keys(rollups).flatMap((name) => {
      const spec = resolve(name);
      return spec === undefined ? [] : [[name, spec]];
    }),
  );
}

function resolveRollup(
  name: string,
  raw: Section,
  { lines, plan, input }: Input,
  components: ConfigComponents,
  reader: ExpressionReader,
): RollupSpec | undefined {
  const { report } = reader;
  const path = ['rollups', name];
  const { by, measures, derived: texts } = resolveColumns(path, raw, lines, components, reader);
  const parsed = schemasOf(components).rollup.safeParse(raw);
  if (!parsed.success) return undefined;
  const window = resolveWindow([...path, 'window'], parsed.data.window as WindowSection, components, report);
  if (window === undefined) return undefined;
  const { from, where: text, allowed_lateness: allowedLatenessMs, rows_max: given } = parsed.data;
  const rowsMax = rowsMaxOf(path, given, window, components, report);
  const where = text === undefined ? undefined : readCondition(reader, [...path, 'where'], text, lines);
  if (input !== undefined && allowedLatenessMs > 0) {
    const message = `the rows of ${input} are never late: there is nothing to wait for`;
    const hint = 'leave it out, and say at the table that reads the stream how long lines may be late';
    report([...path, 'allowed_lateness'], 'value', { code: 'CONFIG_VALUE', message, hint });
  }
  const spec: RollupSpec = {
    from,
    window,
    allowedLatenessMs,
    rowsMax,
    by,
    measures,
    ...(where === undefined ? {} : { where }),
    ...(plan === undefined ? {} : originsOf({ by, measures, where }, plan)),
  };
  if (texts.length === 0) return spec;
  const { aggregates } = components;
  const fields = tableFields(operatorOf(window, components).tables(name, spec, aggregates)[0]!, aggregates);
  const derived = resolveDerived([...path, 'measures'], texts, fields, Object.values(aggregates), report);
  return { ...spec, derived };
}

/** False where what it names is not one thing, or is made of itself. A name of nothing at all is said elsewhere. */
function checkInput(
  name: string,
  from: string,
  { rollups = {}, streams = {} }: RollupSections,
  report: Report,
): boolean {
  const path = ['rollups', name, 'from'];
  const isStream = Object.hasOwn(streams, from);
  if (isStream && from !== name && Object.hasOwn(rollups, from)) {
    const message = `"${from}" is a stream, and a table too`;
    report(path, 'value', { code: 'CONFIG_VALUE', message, hint: 'give the table another name' });
    return false;
  }
  if (isStream) return true;
  const way = wayOf({ rollups, streams }, name);
  if (way.at(-1) !== name) return true;
  // Once for all of them.
  const names = Object.keys(rollups);
  if (way.every((one) => names.indexOf(one) >= names.indexOf(name))) {
    const message = way.length === 2 ? `table ${name} reads itself` : `${way.join(' reads ')}: a circle`;
    report(path, 'value', { code: 'CONFIG_VALUE', message, hint: 'let one of them read a stream' });
  }
  return false;
}

/** What a rollup reads, what that reads, and so on: up to a stream, to the name of nothing, or to what stands on the way already. */
export function wayOf({ rollups = {}, streams = {} }: Omit<RollupSections, 'plans'>, name: string): string[] {
  const way = [name];
  for (;;) {
    const from = fromOf(rollups, way.at(-1)!);
    if (from === undefined) return way;
    const isLast = Object.hasOwn(streams, from) || !Object.hasOwn(rollups, from) || way.includes(from);
    way.push(from);
    if (isLast) return way;
  }
}

function sectionOf(rollups: Section, name: string): Section {
  const section = rollups[name];
  return typeof section === 'object' && section !== null && !Array.isArray(section) ? (section as Section) : {};
}

function fromOf(rollups: Section, name: string): string | undefined {
  const { from } = sectionOf(rollups, name);
  return typeof from === 'string' ? from : undefined;
}
