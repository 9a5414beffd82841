import { z } from 'zod';
import { fieldList, namedInList } from './field-list.ts';
import type { TransformDefinition } from './transform.ts';

const options = z.strictObject({
  fields: fieldList.describe('The fields that stay, event time among them.'),
});

/** Costs nothing: what nobody uses is not decoded. */
export const keep: TransformDefinition<z.output<typeof options>> = {
  type: 'keep',
  summary: 'Keeps these fields and leaves out all others. The line itself stays in its document, as `message`.',
  options,
  named: namedInList,
  shape({ fields }, before) {
    const kept = Object.entries(before).filter(([field]) => fields.includes(field));
    return { after: Object.fromEntries(kept.map(([from, type]) => [from, { type, from }])) };
  },
  examples: [
    {
      title: 'documents with three fields',
      options: { fields: ['@timestamp', 'url.path', 'http.response.status_code'] },
      before: {
        '@timestamp': 1431857103000,
        'source.ip': '192.0.2.7',
        'url.path': '/',
        'http.response.status_code': 200,
      },
      after: { '@timestamp': 1431857103000, 'url.path': '/', 'http.response.status_code': 200 },
    },
  ],
};
