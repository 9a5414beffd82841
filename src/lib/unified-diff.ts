import { OMIT_HEADERS, formatPatch, structuredPatch } from 'diff';

const CONTEXT_LINES = 3;

/** The unified diff of two texts, without a header; '' where they are the same. */
export function unifiedDiff(before: string, after: string): string {
  const patch = structuredPatch('', '', before, after, undefined, undefined, { context: CONTEXT_LINES });
  return formatPatch(patch, OMIT_HEADERS).replace(/\n$/, '');
}
