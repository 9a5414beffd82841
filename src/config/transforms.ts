import type { RollupSpec, StreamSpec, TransformSpec } from '../epoch/pipeline.ts';
import { present } from '../lib/assert.ts';
import { type LineComponents, type StreamPlan, streamPlan } from '../transforms/stream-plan.ts';
import type { OptionPlace } from '../transforms/transform.ts';
import type { Report } from './definitions.ts';
import type { Path } from './document.ts';
import { unknownField } from './measures.ts';
import type { Problem } from './problem.ts';

type PlacedProblem = OptionPlace & Omit<Problem, 'position'>;

/**
 * Checks the transforms of a stream, each against the fields that the ones before it leave. The plan of the stream, or undefined where a
 * transform is wrong: what follows from that is not another problem.
 */
export function resolveTransforms(
  path: Path,
  { codec, transforms = [] }: Pick<StreamSpec, 'codec' | 'transforms'>,
  eventTimeField: string | undefined,
  components: LineComponents,
  report: Report,
): StreamPlan | undefined {
  let plan = streamPlan({ codec }, components);
  for (const [i, transform] of transforms.entries()) {
    const problems = problemsOf(transform, plan, eventTimeField, components);
    for (const { path: within, part, ...problem } of problems) report([...path, i, ...within], part, problem);
    if (problems.length > 0) return undefined;
    plan = streamPlan({ codec, transforms: transforms.slice(0, i + 1) }, components);
  }
  return plan;
}

function problemsOf(
  spec: TransformSpec,
  before: StreamPlan,
  eventTimeField: string | undefined,
  components: LineComponents,
): PlacedProblem[] {
  const { type, ...options } = spec;
  const definition = present(components.transforms?.[type], `no transform ${type}`);
  const named = definition.named(options);
  const unknown = named.filter(({ field }) => !Object.hasOwn(before.fields, field));
  if (unknown.length > 0) return unknown.map(({ field, ...place }) => ({ ...place, ...unknownField(field, before) }));
  const own = definition.problems?.(options, before.fields) ?? [];
  const problems = own.map((problem) => ({ ...problem, code: 'CONFIG_VALUE' }));
  if (eventTimeField === undefined || !Object.hasOwn(before.fields, eventTimeField)) return problems;
  const { after } = definition.shape(options, before.fields);
  if (Object.hasOwn(after, eventTimeField) && after[eventTimeField]!.from === eventTimeField) return problems;
  const place = named.find(({ field }) => field === eventTimeField);
  const message = `event time is "${eventTimeField}", and the ${type} would take it away`;
  const hint =
    place === undefined ? `add "${eventTimeField}" to its fields` : 'leave it out: event time keeps its name';
  return [...problems, { path: place?.path ?? [], part: place?.part ?? 'value', code: 'CONFIG_VALUE', message, hint }];
}

/** What a rollup uses of fields that have other names in the codec. */
export function originsOf(
  { by, measures }: Pick<RollupSpec, 'by' | 'measures'>,
  plan: StreamPlan,
): Pick<RollupSpec, 'origins'> {
  const used = [...by, ...measures].flatMap(({ field }) => (field === undefined ? [] : [field]));
  const renamed = used.filter((field) => Object.hasOwn(plan.fields, field) && plan.originOf(field) !== field);
  if (renamed.length === 0) return {};
  return { origins: Object.fromEntries(renamed.map((field) => [field, plan.originOf(field)])) };
}
