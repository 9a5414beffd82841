import type { AggregateDefinition } from '../aggregates/aggregate.ts';
import type { MeasureSpec } from '../epoch/table.ts';
import { formCalled } from '../expressions/forms.ts';
import { cutText } from '../lib/text.ts';
import type { StreamPlan } from '../transforms/stream-plan.ts';
import type { TextSpan } from './document.ts';
import { UNBUILT_AGGREGATES } from './not-built.ts';
import { suggestion } from './nearest.ts';

/** An aggregate of a field: what needs no SQL to be read. */
const MEASURE = /^([A-Za-z_][A-Za-z0-9_]*)\s*(?:\(\s*([^(),\s]*)\s*(?:,\s*([^(),\s]*)\s*)?\))?$/;

export interface MeasureError {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
  /** The part of the text that is meant. Default: all of it. */
  readonly within?: TextSpan;
}

/** What a measure may be written as, and what the stream's lines have. */
export interface MeasureContext {
  readonly aggregates: readonly AggregateDefinition[];
  readonly lines: StreamFields;
  /** The names of the table's measures: one may be made of others. */
  readonly measures?: readonly string[];
}

/** The fields of a stream, and what a transform calls those that the codec has under another name. */
export type StreamFields = Pick<StreamPlan, 'fields'> &
  Partial<Pick<StreamPlan, 'nameOf'>> & {
    /** Whose fields they are. Default: the stream's lines. */
    readonly of?: string;
  };

/** Reads `count`, `sum(field)`, `p99(field)`, `quantile(field, 0.99)`, …; says what is wrong where it cannot. Undefined: it is more than that. */
export function plainMeasure(
  name: string,
  text: string,
  context: MeasureContext,
): MeasureSpec | MeasureError | undefined {
  const match = MEASURE.exec(text.trim());
  if (match === null || !isField(match[2], context)) return undefined;
  const [, called = '', field, behind] = match;
  const written = called.toLowerCase();
  const definition = definitionCalled(written, context);
  // Another measure, or a function of others.
  const isOther = text.trim() === called && called !== name && context.measures?.includes(called) === true;
  if (definition === undefined && (isOther || (field !== undefined && formCalled(written) !== undefined)))
    return undefined;
  if (definition === undefined) return unknownAggregate(called, context);
  const aggregate = definition.name;
  if (field === undefined || field === '' || field === '*') {
    if (behind !== undefined) return noMeasure(text);
    return definition.argument === 'number' || definition.argument === 'any'
      ? { code: 'CONFIG_MEASURE', message: `${written} needs a field`, hint: `write ${written}(field)` }
      : { name, aggregate };
  }
  if (definition.argument === 'none') {
    return { code: 'CONFIG_MEASURE', message: `${aggregate} takes no field`, hint: `write ${aggregate}` };
  }
  const { fields } = context.lines;
  const fieldType = Object.hasOwn(fields, field) ? fields[field] : undefined;
  if (fieldType === undefined) return unknownField(field, context.lines);
  if (definition.argument === 'number' && fieldType !== 'long' && fieldType !== 'double') {
    return {
      code: 'CONFIG_MEASURE',
      message: `${aggregate} needs a number, and ${field} is a ${fieldType}`,
      hint: numbersOf(context),
    };
  }
  const parameter = parameterOf(definition, written, behind);
  if (typeof parameter === 'object') return parameter;
  return { name, aggregate, field, fieldType, ...(parameter === undefined ? {} : { parameter }) };
}

/** A field, maybe one that is not there; nothing, or `*`. */
function isField(argument: string | undefined, { lines: { fields } }: MeasureContext): boolean {
  if (argument === undefined || argument === '' || argument === '*' || Object.hasOwn(fields, argument)) return true;
  return /^[@\p{L}_][\p{L}\p{N}_@.]*$/u.test(argument) && !/^(?:true|false|null)$/i.test(argument);
}

export function definitionCalled(written: string, { aggregates }: MeasureContext): AggregateDefinition | undefined {
  return aggregates.find(({ name, sketch }) => name === written || sketch?.parameter?.ofAlias?.(written) !== undefined);
}

export function noMeasure(text: string): MeasureError {
  return {
    code: 'CONFIG_MEASURE',
    message: `"${cutText(text)}" is not a measure`,
    hint: 'write count, count(field) or sum(field)',
  };
}

/** What stands behind the field, or the short name says; or what is wrong with it. */
export function parameterOf(
  { name, sketch }: AggregateDefinition,
  written: string,
  behind: string | undefined,
): number | undefined | MeasureError {
  const parameter = written === name ? sketch?.parameter : undefined;
  if (behind === undefined && written !== name) return sketch?.parameter?.ofAlias?.(written);
  if (behind === undefined && parameter?.default !== undefined) return parameter.default;
  if (behind === undefined && parameter === undefined) return undefined;
  if (parameter === undefined) {
    const message = `${written} takes a field, and nothing behind it`;
    return { code: 'CONFIG_MEASURE', message, hint: `write ${written}(field)` };
  }
  const value = Number(behind ?? '');
  if (behind !== undefined && behind !== '' && parameter.isValid(value)) return value;
  return {
    code: 'CONFIG_MEASURE',
    message: `${name} needs ${parameter.what}`,
    hint: `write ${name}(field, ${parameter.examples[0]})`,
  };
}

/** The measures, each that can with the sketch of one before it. */
export function sharingSketches(
  measures: readonly MeasureSpec[],
  aggregates: Readonly<Record<string, AggregateDefinition>>,
): MeasureSpec[] {
  const keepers = new Map<string, string>();
  return measures.map((measure) => {
    if (aggregates[measure.aggregate]?.sketch === undefined) return measure;
    const state = JSON.stringify([measure.aggregate, measure.field]);
    const sketchOf = keepers.get(state);
    if (sketchOf !== undefined) return { ...measure, sketchOf };
    keepers.set(state, measure.name);
    return measure;
  });
}

export function isMeasureError(result: MeasureSpec | MeasureError): result is MeasureError {
  return 'code' in result;
}

export function unknownField(field: string, { fields, nameOf, of = "the stream's lines" }: StreamFields): MeasureError {
  const name = nameOf?.(field);
  const renamed = name === null ? 'a transform leaves it out' : `a transform calls it "${name}"`;
  return {
    code: 'CONFIG_UNKNOWN_FIELD',
    message: `${of} have no field "${cutText(field)}"`,
    hint: name === undefined ? suggestion(field, Object.keys(fields)) : renamed,
  };
}

/** `instead`: what to write where that is known. */
export function unknownAggregate(aggregate: string, context: MeasureContext, instead?: string): MeasureError {
  if (UNBUILT_AGGREGATES.includes(aggregate)) {
    return {
      code: 'CONFIG_NOT_BUILT',
      message: `the aggregate ${aggregate} is not built yet`,
      hint: `there are ${namesOf(context)}`,
    };
  }
  const names = context.aggregates.flatMap(({ name, sketch }) => [name, ...(sketch?.parameter?.aliases ?? [])]);
  return {
    code: 'CONFIG_MEASURE',
    message: `there is no aggregate "${cutText(aggregate)}"`,
    hint: /^p\d+$/.test(aggregate)
      ? 'write p1 to p99, p999, or quantile(field, 0.99)'
      : instead === undefined
        ? suggestion(aggregate, names)
        : `write ${instead}`,
  };
}

function namesOf({ aggregates }: MeasureContext): string {
  return aggregates.map((one) => one.name).join(', ');
}

function numbersOf({ lines: { fields } }: MeasureContext): string | undefined {
  const numbers = Object.keys(fields).filter((field) => fields[field] === 'long' || fields[field] === 'double');
  return numbers.length === 0 ? undefined : `numbers are ${numbers.slice(0, 5).join(', ')}`;
}
