import fc from 'fast-check';
import { type GeneratedType, type Of, type Pair, type Rule, joined, quoted } from './grammar.ts';

const ATOMS = fc.oneof(
  {
    arbitrary: fc.constantFrom(
      'a',
      'b',
      'B',
      '/',
      '.',
      '1',
      'é',
      '😀',
      ' ',
      '-',
      'İ',
      'ß',
      's',
      'k',
      'Σ',
      String.raw`\.`,
    ),
    weight: 4,
  },
  {
    arbitrary: fc.constantFrom(
      String.raw`\d`,
      String.raw`\D`,
      String.raw`\w`,
      String.raw`\W`,
      String.raw`\s`,
      String.raw`\S`,
      String.raw`\pL`,
      String.raw`\p{Lu}`,
      String.raw`\P{L}`,
      String.raw`\p{Greek}`,
      String.raw`\p{Han}`,
      '[a-c]',
      '[^a]',
      '[é-ü]',
      '[[:alpha:]]',
      '[^[:alnum:]/]',
      String.raw`[\w.]`,
      String.raw`[^\d]`,
      '[aé😀]',
      String.raw`\n`,
      String.raw`\t`,
      String.raw`\x41`,
      String.raw`\x{1F600}`,
      String.raw`\101`,
      String.raw`\Qa.\E`,
    ),
    weight: 3,
  },
);

const TIMES = fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,2}', '{1,}', '*?', '+?', '??', '{0,2}?', '{,2}');
const GROUPS = fc.constantFrom('(', '(', '(?:', '(?i:', '(?s:', '(?m:', '(?-s:', '(?P<n>', '(?U:');

const { pattern: PATTERN } = fc.letrec<{ pattern: string; branch: string; piece: string; group: string }>((tie) => ({
  pattern: fc.array(tie('branch'), { minLength: 1, maxLength: 2 }).map((branches) => branches.join('|')),
  branch: fc.array(tie('piece'), { minLength: 1, maxLength: 3 }).map((all) => all.join('')),
  piece: fc.oneof(
    { maxDepth: 3 },
    fc.tuple(ATOMS, TIMES).map((all) => all.join('')),
    fc.constant(String.raw`\b`),
    fc.tuple(tie('group'), TIMES).map((all) => all.join('')),
  ),
  group: fc.tuple(GROUPS, tie('pattern')).map(([open, inner]) => `${open}${inner})`),
}));

/** A name stands once in a pattern. Ends are where ends are: of 'a^' DuckDB's optimizer makes = 'a', and RE2 does not. */
const PATTERNS = fc
  .tuple(
    fc.constantFrom('', '', '', '(?i)', '(?s)', '(?m)', '(?im)'),
    fc.constantFrom('', '', '', '^', String.raw`\A`),
    PATTERN,
    fc.constantFrom('', '', '', '$', String.raw`\z`),
  )
  .map(([flags, start, pattern, end]) => {
    let names = 0;
    const named = pattern.replaceAll('(?P<n>', () => `(?P<n${names++}>`);
    return `${flags}${start}${named}${end}`;
  });

function groupsOf(pattern: string): number {
  return (pattern.replaceAll('\\(', '').match(/\((?!\?)|\(\?P/g) ?? []).length;
}

const OPTIONS = fc.constantFrom('', 'i', 'c', 's', 'ic', 'ci', 'sm', 'ns', 'p', 'l', 'is');

/** What both sides write alike behind the text. */
function call(form: string, type: GeneratedType, rest: fc.Arbitrary<string>): Rule {
  const pair = rest.map((text): Pair => ({ text, sql: text }));
  return {
    form,
    type,
    make: (of: Of) => joined([of('text'), pair], (text, args) => `${form}(${text}, ${args})`),
  };
}

function args(...of: fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  return fc.tuple(...of).map((all) => all.join(', '));
}

const PATTERN_TEXTS = PATTERNS.map(quoted);

const EXTRACTS = PATTERNS.chain((pattern) =>
  fc.constantFrom(...Array.from({ length: Math.min(9, groupsOf(pattern)) + 1 }, (_, group) => group)).chain((group) =>
    fc.oneof(
      fc.constant(`${quoted(pattern)}, ${group}`),
      OPTIONS.filter((options) => group === 0 || !options.includes('l')).map(
        (options) => `${quoted(pattern)}, ${group}, ${quoted(options)}`,
      ),
    ),
  ),
);

const REPLACES = PATTERNS.chain((pattern) => {
  const parts = fc.constantFrom('-', 'é', '$1', '&', '\\0', '\\\\', ...(groupsOf(pattern) > 0 ? ['\\1', '[\\1]'] : []));
  const rewrite = fc.array(parts, { maxLength: 3 }).map((all) => quoted(all.join('')));
  return fc
    .tuple(rewrite, fc.constantFrom('', ", 'g'", ", 'gi'", ", 's'"))
    .map(([text, options]) => `${quoted(pattern)}, ${text}${options}`);
});

export const REGEXP_RULES: readonly Rule[] = [
  call('regexp_matches', 'boolean', PATTERN_TEXTS),
  call('regexp_matches', 'boolean', args(PATTERN_TEXTS, OPTIONS.map(quoted))),
  call('regexp_full_match', 'boolean', fc.oneof(PATTERN_TEXTS, args(PATTERN_TEXTS, OPTIONS.map(quoted)))),
  call('regexp_extract', 'text', PATTERN_TEXTS),
  call('regexp_extract', 'text', EXTRACTS),
  call('regexp_replace', 'text', REPLACES),
];
