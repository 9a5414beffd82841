import { type Form, type FormProblem, type Notes, type Resolved, fixed, strict } from '../form.ts';
import { type JsonPath, jsonPathOf, stepAt, valueAt } from '../json-path.ts';
import { type Json, jsonText, parseJson } from '../json-text.ts';
import type { Tree, Value, ValueType } from '../tree.ts';

/** A text with JSON, and a path that stands there. */
function resolver(name: string, result: ValueType, optional: 0 | 1): (args: readonly Tree[]) => Resolved | FormProblem {
  return (args) => {
    const isPlace = args[1]?.type === 'long';
    const resolved = fixed(name, ['text', isPlace ? 'long' : 'text'], result, optional)(args);
    if ('message' in resolved || args.length === 1) return resolved;
    const path = args[1]!;
    if (path.kind !== 'constant' || path.value === null)
      return { message: 'the path is not a constant', hint: "write it as text in single quotes: '$.name'", arg: 1 };
    const read = isPlace ? [] : jsonPathOf(String(path.value));
    return 'message' in read ? { ...read, arg: 1 } : resolved;
  };
}

function pathOf(tree: Tree | undefined): JsonPath {
  if (tree?.kind !== 'constant') return [];
  return tree.type === 'long' ? [stepAt(BigInt(tree.value as string))] : (jsonPathOf(String(tree.value)) as JsonPath);
}

/** What `of` says of the value at the path; NULL for malformed JSON. */
function ofJson(
  [name, ...others]: readonly [string, ...string[]],
  type: ValueType,
  optional: 0 | 1,
  summary: string,
  examples: Form['examples'],
  of: (json: Json | undefined) => Value,
  sql: (call: string) => string = (call) => call,
): Form {
  const evaluator = (path: JsonPath, notes: Notes): ((args: readonly string[]) => Value) => {
    return ([text]) => {
      const json = parseJson(text!);
      return json === undefined ? notes.lost() : of(valueAt(json, path));
    };
  };
  return {
    name,
    calls: [name, ...others],
    summary,
    examples,
    resolve: (args, called) => resolver(called, type, optional)(args),
    evaluator: ([, path], notes) => strict(evaluator(pathOf(path), notes)),
    sql: (args) => sql(`TRY(${name}(${args.join(', ')}))`),
  };
}

const extract = ofJson(
  ['json_extract_string', '->>'],
  'text',
  0,
  'The value at a path within a text that is JSON, as text; NULL of null, where there is none, and of what is not JSON.',
  [
    { sql: `'{"user": {"id": 7}}' ->> '$.user.id'`, value: '7' },
    { sql: `'{"tags": ["a", "b"]}' ->> '$.tags[#-1]'`, value: 'b' },
    { sql: `'{"user": {"id": 7}}' ->> '/user/id'`, value: '7' },
    { sql: `json_extract_string('{"a.b": 1.0}', 'a.b')`, value: '1.0' },
    { sql: `'{"a": {"b": [1, null]}}' ->> 'a'`, value: '{"b":[1,null]}' },
    { sql: `'{"a": 1, "a": 2}' ->> 'a'`, value: '1' },
    { sql: `'{"a": null}' ->> 'a'`, value: null },
    { sql: `'{"a"' ->> 'a'`, value: null },
  ],
  (json) => {
    if (json === undefined) return null;
    if (json.kind === 'string') return json.value;
    return json.kind === 'plain' && json.text === 'null' ? null : jsonText(json);
  },
);

const exists = ofJson(
  ['json_exists'],
  'boolean',
  0,
  'Whether a text that is JSON has a value at a path; null is one.',
  [
    { sql: `json_exists('{"a": null}', '$.a')`, value: true },
    { sql: `json_exists('{"a": null}', '$.b')`, value: false },
  ],
  (json) => json !== undefined,
);

const arrayLength = ofJson(
  ['json_array_length'],
  'long',
  1,
  'How many values the array at a path has; 0 of what is not an array, NULL where there is nothing.',
  [
    { sql: "json_array_length('[1, 2]')", value: 2 },
    { sql: `json_array_length('{"a": [1]}', '$.a')`, value: 1 },
  ],
  (json) => (json === undefined ? null : json.kind === 'array' ? BigInt(json.items.length) : 0n),
  (call) => `CAST(${call} AS BIGINT)`,
);

const valid: Form = {
  name: 'json_valid',
  calls: ['json_valid'],
  summary: 'Whether the text is JSON.',
  examples: [
    { sql: `json_valid('{"a": 1}')`, value: true },
    { sql: `json_valid('{"a": ')`, value: false },
  ],
  resolve: fixed('json_valid', ['text'], 'boolean'),
  evaluator: () => strict(([text]: readonly string[]) => parseJson(text!) !== undefined),
  sql: ([text]) => `json_valid(${text})`,
};

export const jsonForms: readonly Form[] = [extract, exists, arrayLength, valid];
