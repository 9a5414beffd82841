// The reference of expressions, made of the forms' own definitions.
import { FORMS } from '../src/expressions/forms.ts';

const INTRODUCTION = `An expression is SQL over the fields of a line, as DuckDB has it. The transforms [\`filter\` and \`derive\`](transforms.md) take one, measures and
\`where\` of [rollups](config.md) do, and so does \`where\` of a sink's documents.

\`\`\`yaml
streams:
  access:
    codec: { type: combined }
    transforms:
      - { type: filter, where: "url.path not like '/health%'" }
      - { type: derive, fields: { route: "regexp_extract(url.path, '^/[^/]*')" } }
rollups:
  traffic:
    from: access
    by: [route]
    window: { type: tumbling, size: 1m }
    measures:
      requests: count
      errors: "count(*) filter (where http.response.status_code >= 500)"
      error_rate: errors / requests
\`\`\`

- **Names** are those of fields, with their dots: \`http.response.status_code\`, \`@timestamp\`. One that SQL would read otherwise stands in double quotes: \`"group"\`, \`"app-name/id"\`. Texts stand in single quotes.
- **Types**: whole numbers of 64 bits, numbers (a literal with a point or an exponent is one), texts, conditions, times in UTC. \`tailrace check\` says of each expression what it gives, and refuses what can never be true: \`status = '500'\`, \`x = null\`.
- **NULL** is what a line does not have. A comparison with it is not known, and neither is what is made of it: \`filter\` and \`where\` keep lines for which the condition is true, and no others. \`coalesce(user_agent.original, '') not ilike '%bot%'\` keeps those without the field.
- **No line is lost by an expression.** What DuckDB ends a query for (a cast that fails, a number beyond its type), and every number that is not finite, is NULL, and counted as \`value_lost\` in \`tailrace.ledger\`. A division by 0 is NULL.
- **A line that is read again gives the same**: there is no \`now()\`, no \`random()\`, and no other line to look at.
- Regular expressions are those of [RE2](https://github.com/google/re2/wiki/Syntax); a pattern is a constant.
`;

/** How people write a form: \`is null\`, not \`is_null\`; of functions their name. */
function written({ name, calls }: (typeof FORMS)[number]): string {
  const words: Readonly<Record<string, readonly string[]>> = {
    like: ['like', 'not like'],
    ilike: ['ilike', 'not ilike'],
    in: ['in', 'not in'],
    case: ['case … when … then … else … end', 'if'],
    cast: ['cast', 'try_cast', '::'],
    timezone: ["at time zone 'UTC'"],
    regexp_full_match: ['regexp_full_match', '~', 'similar to'],
    date_part: ['date_part', 'extract(… from …)', 'hour(…)', 'year(…)', '…'],
  };
  const names = words[name] ?? calls.filter((called) => !called.endsWith('_escape'));
  return names.map((one) => code(one.startsWith('is_') ? one.replaceAll('_', ' ') : one)).join(', ');
}

/** As code within a table. */
function code(text: string): string {
  return `\`${text.replaceAll('|', '\\|')}\``;
}

export function expressionsPage(): string {
  const rows = FORMS.filter(({ calls }) => calls.length > 0).map((form) => {
    const examples = form.examples.map(({ sql, value }) => `${code(sql)} → ${shown(value)}`);
    return `| ${written(form)} | ${form.summary} | ${examples.join('<br>')} |`;
  });
  return [
    '# Expressions',
    '',
    '<!-- Written by `make docs`. Do not edit. -->',
    '',
    INTRODUCTION,
    '| operator or function | what it is | examples |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

function shown(value: string | number | boolean | null): string {
  return value === null ? 'NULL' : code(typeof value === 'string' ? `'${value}'` : String(value));
}
