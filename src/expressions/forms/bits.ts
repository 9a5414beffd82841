import { type Evaluate, type Form, type Notes, fixed, strict } from '../form.ts';
import { longOr } from './arithmetic.ts';

/** An operator over the 64 bits of whole numbers. */
function bits(
  name: string,
  summary: string,
  example: Form['examples'][number],
  evaluate: (left: bigint, right: bigint) => bigint,
  sql: (left: string, right: string) => string = (left, right) => `(${left} ${name} ${right})`,
): Form {
  return {
    name,
    calls: [name],
    summary,
    examples: [example],
    resolve: fixed(name, ['long', 'long'], 'long'),
    evaluator: () => strict(([left, right]) => evaluate(left, right)),
    sql: ([left, right]) => sql(left!, right!),
  };
}

const complement: Form = {
  name: '~',
  calls: ['~'],
  summary: 'Every bit inverted.',
  examples: [{ sql: '~5', value: -6 }],
  resolve: fixed('~', ['long'], 'long'),
  evaluator: () => strict(([value]) => ~(value as bigint)),
  sql: ([value]) => `(~${value})`,
};

function shiftedLeft(notes: Notes): Evaluate {
  return strict(([value, places]: readonly bigint[]) => {
    if (value! < 0n || places! < 0n) return notes.lost();
    if (value === 0n) return 0n;
    return places! >= 64n ? notes.lost() : longOr(notes, value! << places!);
  });
}

const shiftLeft: Form = {
  name: '<<',
  calls: ['<<'],
  summary: 'The bits moved to the left; NULL of negative numbers.',
  examples: [
    { sql: '1 << 4', value: 16 },
    { sql: '1 << 63', value: null },
  ],
  resolve: fixed('<<', ['long', 'long'], 'long'),
  evaluator: (_, notes) => shiftedLeft(notes),
  sql: ([value, places]) => `TRY(${value} << ${places})`,
};

export const bitForms: readonly Form[] = [
  bits('&', 'The bits that are set in both.', { sql: '5 & 3', value: 1 }, (left, right) => left & right),
  bits('|', 'The bits that are set in one of them.', { sql: '5 | 3', value: 7 }, (left, right) => left | right),
  bits(
    'xor',
    'The bits that are set in one of them alone.',
    { sql: 'xor(5, 3)', value: 6 },
    (left, right) => left ^ right,
    (left, right) => `xor(${left}, ${right})`,
  ),
  complement,
  shiftLeft,
  bits(
    '>>',
    'The bits moved to the right; 0 of places below 0 and above 63.',
    { sql: '16 >> 2', value: 4 },
    (value, places) => (places < 0n || places > 63n ? 0n : value >> places),
  ),
];
