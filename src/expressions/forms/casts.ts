import { type Form, fixed, strict } from '../form.ts';

/** A whole number where a number is needed: never written by people, and nearest even where it is beyond 2^53. */
export const toDouble: Form = {
  name: 'to_double',
  calls: [],
  summary: 'A whole number as a number.',
  examples: [],
  resolve: fixed('to_double', ['long'], 'double'),
  evaluator: () => strict(([value]) => Number(value as bigint)),
  sql: ([value]) => `CAST(${value} AS DOUBLE)`,
};

/** `cast` and `try_cast` alike. The last argument is DuckDB's name of the type. */
export const cast: Form = {
  name: 'cast',
  calls: ['cast'],
  summary: 'The same as another type; NULL where it cannot be.',
  examples: [{ sql: "cast('true' as boolean)", value: true }],
  resolve([value, type], called) {
    const to = type!.kind === 'constant' ? String(type!.value) : '';
    if (value!.type === 'boolean' && to === 'BOOLEAN') return { type: 'boolean', args: [value!, type!] };
    if (value!.type === 'text' && to === 'BOOLEAN') return { type: 'boolean', args: [value!, type!] };
    if (value!.kind === 'constant' && value!.type === 'text' && to === 'TIMESTAMP')
      return { type: 'time', args: [value!, type!] };
    return { message: `${called} to that type is not there yet` };
  },
  evaluator: ([, type], notes) => {
    if (type!.kind === 'constant' && type!.value === 'TIMESTAMP') {
      return strict(([text]) => {
        const timeMs = Date.parse(`${String(text).replace(' ', 'T')}Z`);
        return Number.isNaN(timeMs) ? notes.lost() : timeMs;
      });
    }
    return strict(([value]) => {
      if (typeof value === 'boolean') return value;
      return value === 'true' || value === 't' ? true : value === 'false' || value === 'f' ? false : notes.lost();
    });
  },
  sql: ([value], [, type]) => `TRY_CAST(${value} AS ${type!.kind === 'constant' ? String(type!.value) : ''})`,
};
