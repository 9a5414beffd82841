import { readFileSync } from 'node:fs';
import { documentId } from '../../src/sinks/elasticsearch/document-id.ts';
import type { Elasticsearch } from './stack/elasticsearch.ts';

const PAGE = 10_000;

interface Page {
  readonly _scroll_id: string;
  readonly hits: { readonly hits: readonly { readonly _id: string; readonly _index: string }[] };
}

/** The ids of all documents of all indices that match, with the index of each: an id that stands in two indices comes twice. */
export async function allDocuments(
  elasticsearch: Pick<Elasticsearch, 'ask'>,
  pattern: string,
): Promise<{ readonly id: string; readonly index: string }[]> {
  await elasticsearch.ask(`/${pattern}/_refresh`, 'POST');
  const found: { id: string; index: string }[] = [];
  const query = { size: PAGE, _source: false, sort: ['_doc'] };
  let page = await answerOf(elasticsearch, `/${pattern}/_search?scroll=2m`, query);
  while (page.hits.hits.length > 0) {
    for (const { _id: id, _index: index } of page.hits.hits) found.push({ id, index });
    page = await answerOf(elasticsearch, '/_search/scroll', { scroll: '2m', scroll_id: page._scroll_id });
  }
  // In the path: a DELETE with a body has no length, and what follows on its connection would be taken for part of it.
  await elasticsearch.ask(`/_search/scroll/${encodeURIComponent(page._scroll_id)}`, 'DELETE');
  return found;
}

async function answerOf(elasticsearch: Pick<Elasticsearch, 'ask'>, path: string, body: unknown): Promise<Page> {
  const { status, body: answer } = await elasticsearch.ask(path, 'POST', body);
  if (status !== 200) throw new Error(`${path} answered ${status}: ${JSON.stringify(answer)}`);
  return answer as Page;
}

/** The ids that the lines of a file must have. */
export function idsOfFile(source: string, path: string): string[] {
  const bytes = readFileSync(path);
  const ids: string[] = [];
  for (let start = 0; start < bytes.length;) {
    ids.push(documentId(source, start));
    const newline = bytes.indexOf(0x0a, start);
    start = newline < 0 ? bytes.length : newline + 1;
  }
  return ids;
}

/** What is wrong with the documents of a store, seen from the lines: nothing where each line is there once. */
export function compareIds(documents: readonly { readonly id: string }[], lines: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const { id } of documents) counts.set(id, (counts.get(id) ?? 0) + 1);
  const lost = lines.filter((id) => !counts.has(id)).length;
  const known = new Set(lines);
  const foreign = [...counts.keys()].filter((id) => !known.has(id)).length;
  const doubled = [...counts.values()].filter((count) => count > 1).length;
  return [
    ...(lost > 0 ? [`${lost} of ${lines.length} lines have no document`] : []),
    ...(foreign > 0 ? [`${foreign} documents are of no line`] : []),
    ...(doubled > 0 ? [`${doubled} lines have more than one document`] : []),
  ];
}
