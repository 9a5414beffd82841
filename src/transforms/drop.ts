import { z } from 'zod';
import { fieldList, namedInList } from './field-list.ts';
import type { TransformDefinition } from './transform.ts';

const options = z.strictObject({
  fields: fieldList.describe('The fields that are left out.'),
});

/** Costs nothing, and saves the decoding. */
export const drop: TransformDefinition<z.output<typeof options>> = {
  type: 'drop',
  summary: 'Leaves fields out. The line itself stays in its document, as `message`.',
  options,
  named: namedInList,
  shape({ fields }, before) {
    const kept = Object.entries(before).filter(([field]) => !fields.includes(field));
    return { after: Object.fromEntries(kept.map(([from, type]) => [from, { type, from }])) };
  },
  examples: [
    {
      title: 'fields that nobody asks for',
      options: { fields: ['rest', 'apache.access.user.identity'] },
      before: { 'url.path': '/', rest: '0.003', 'apache.access.user.identity': null },
      after: { 'url.path': '/' },
    },
  ],
};
