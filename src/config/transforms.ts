import type { RollupSpec, StreamSpec, TransformSpec } from '../epoch/pipeline.ts';
import { fieldsOf } from '../expressions/tree.ts';
import { present } from '../lib/assert.ts';
import { type LineComponents, type StreamPlan, streamPlan } from '../transforms/stream-plan.ts';
import type { OptionPlace } from '../transforms/transform.ts';
import type { Section } from './definitions.ts';
import type { Path } from './document.ts';
import { type ExpressionReader, readExpression } from './expressions.ts';
import { unknownField } from './measures.ts';
import type { Problem } from './problem.ts';

type PlacedProblem = OptionPlace & Omit<Problem, 'position'>;

/**
 * Checks the transforms of a stream, each against the fields that the ones before it leave, and reads their expressions. Undefined where a
 * transform is wrong: what follows from that is not another problem.
 */
export function resolveTransforms(
  path: Path,
  {
    codec,
    transforms: written,
  }: { readonly codec: StreamSpec['codec']; readonly transforms: readonly TransformSpec[] },
  eventTimeField: string | undefined,
  components: LineComponents,
  reader: ExpressionReader,
): { readonly plan: StreamPlan; readonly transforms: readonly TransformSpec[] } | undefined {
  let plan = streamPlan({ codec }, components);
  const transforms: TransformSpec[] = [];
  for (const [i, transform] of written.entries()) {
    const at = [...path, i];
    const spec = resolveTransform(at, transform, plan, components, reader);
    const problems =
      spec === undefined ? [] : eventTimeProblems({ written: transform, spec }, plan, eventTimeField, components);
    for (const { path: within, part, ...problem } of problems) reader.report([...at, ...within], part, problem);
    if (spec === undefined || problems.length > 0) return undefined;
    transforms.push(spec);
    plan = streamPlan({ codec, transforms }, components);
  }
  return { plan, transforms };
}

/** The transform as the pipeline keeps it; undefined where something is wrong with it, which is said. */
function resolveTransform(
  path: Path,
  { type, ...options }: TransformSpec,
  before: StreamPlan,
  components: LineComponents,
  reader: ExpressionReader,
): TransformSpec | undefined {
  const definition = present(components.transforms?.[type], `no transform ${type}`);
  const named = definition.named(options);
  const unknown = named.filter(({ field }) => !Object.hasOwn(before.fields, field));
  const problems: readonly PlacedProblem[] =
    unknown.length > 0
      ? unknown.map(({ field, ...place }) => ({ ...place, ...unknownField(field, before) }))
      : (definition.problems?.(options, before.fields) ?? []).map((problem) => ({ ...problem, code: 'CONFIG_VALUE' }));
  for (const { path: within, part, ...problem } of problems) reader.report([...path, ...within], part, problem);
  if (problems.length > 0) return undefined;
  if (definition.resolve === undefined) return { ...options, type };
  const resolved = definition.resolve(options, (place, text, wanted) =>
    readExpression(reader, [...path, ...place.path], text, before, wanted),
  ) as Section | undefined;
  return resolved === undefined ? undefined : { ...resolved, type };
}

/** Event time keeps its name and its value. */
function eventTimeProblems(
  { written, spec }: { readonly written: TransformSpec; readonly spec: TransformSpec },
  before: StreamPlan,
  eventTimeField: string | undefined,
  components: LineComponents,
): PlacedProblem[] {
  if (eventTimeField === undefined || !Object.hasOwn(before.fields, eventTimeField)) return [];
  const { type, ...options } = spec;
  const definition = present(components.transforms?.[type], `no transform ${type}`);
  const after = definition.shape(options, before.fields).after[eventTimeField];
  if (after !== undefined && 'from' in after && after.from === eventTimeField) return [];
  const isMade = after !== undefined && 'made' in after;
  const named = definition.named(written).find(({ field }) => field === eventTimeField);
  const place = isMade ? { path: ['fields', eventTimeField], part: 'key' as const } : named;
  const message = `event time is "${eventTimeField}", and the ${type} would ${isMade ? 'change it' : 'take it away'}`;
  const hint =
    place === undefined ? `add "${eventTimeField}" to its fields` : 'leave it out: event time keeps its name';
  return [{ path: place?.path ?? [], part: place?.part ?? 'value', code: 'CONFIG_VALUE', message, hint }];
}

/** What a rollup's rows depend on besides its own definition: what its fields are in the codec's terms, and which lines come to it. */
export function originsOf(
  { by, measures, where }: Pick<RollupSpec, 'by' | 'measures'> & { readonly where: RollupSpec['where'] | undefined },
  plan: StreamPlan,
): Pick<RollupSpec, 'origins' | 'filters'> {
  const used = [
    ...by.map(({ field }) => field),
    ...(where === undefined ? [] : fieldsOf(where.tree).map(({ name }) => name)),
    ...measures.flatMap(({ field, expression }) =>
      expression !== undefined ? fieldsOf(expression).map(({ name }) => name) : field === undefined ? [] : [field],
    ),
  ];
  const renamed = used.filter((field) => Object.hasOwn(plan.fields, field) && plan.originOf(field) !== field);
  const { filters } = plan;
  return {
    ...(filters.length === 0 ? {} : { filters }),
    ...(renamed.length === 0
      ? {}
      : { origins: Object.fromEntries(renamed.map((field) => [field, plan.originOf(field)])) }),
  };
}
