import { errors } from '@elastic/elasticsearch';
import { canonicalJson } from '../../epoch/fingerprint.ts';
import { TEMPLATES, checked } from './answer-shapes.ts';
import { type ElasticsearchClient, withElasticsearch } from './client.ts';
import { type IndexTemplate, templateFingerprint } from './templates.ts';

/** What becomes of one template. */
export interface TemplateChange {
  readonly kind: 'create' | 'update' | 'same';
  readonly template: IndexTemplate;
  /** What the server has, normalised as ours is; undefined where it has none. */
  readonly before: IndexTemplate['body'] | undefined;
  /** What the server has is as Tailrace wrote it, for another configuration: nobody has meant it otherwise. */
  readonly isUntouched: boolean;
}

/** Compares the templates with those of the server. Changes nothing. */
export async function planTemplates(
  client: ElasticsearchClient,
  templates: readonly IndexTemplate[],
): Promise<TemplateChange[]> {
  const changes: TemplateChange[] = [];
  for (const template of templates) {
    const before = await readTemplate(client, template.name);
    const isSame = before !== undefined && canonicalJson(before) === canonicalJson(template.body);
    const kind = isSame ? 'same' : before === undefined ? 'create' : 'update';
    const isUntouched = before !== undefined && before._meta['fingerprint'] === templateFingerprint(before);
    changes.push({ kind, template, before, isUntouched });
  }
  return changes;
}

/** Puts one template. It holds for indices that are made from now on. */
export async function putTemplate(client: ElasticsearchClient, { name, body }: IndexTemplate): Promise<void> {
  const request = { method: 'PUT', path: `/_index_template/${encodeURIComponent(name)}`, body };
  await withElasticsearch(client, `template ${name}`, () => client.transport.request(request));
}

async function readTemplate(client: ElasticsearchClient, name: string): Promise<IndexTemplate['body'] | undefined> {
  const path = `/_index_template/${encodeURIComponent(name)}`;
  const answer = await withElasticsearch(client, `template ${name}`, async () => {
    try {
      const request = { method: 'GET', path, querystring: { flat_settings: true } };
      return checked(TEMPLATES, await client.transport.request(request), `template ${name}`);
    } catch (error) {
      if (error instanceof errors.ResponseError && error.statusCode === 404) return undefined;
      throw error;
    }
  });
  const found = answer?.index_templates[0]?.index_template;
  return found === undefined ? undefined : normalised(found as unknown as Partial<IndexTemplate['body']>);
}

/** The server leaves out what is empty. */
function normalised(found: Partial<IndexTemplate['body']>): IndexTemplate['body'] {
  const { template } = found;
  return {
    ...found,
    index_patterns: found.index_patterns ?? [],
    priority: found.priority ?? 0,
    composed_of: found.composed_of ?? [],
    ignore_missing_component_templates: found.ignore_missing_component_templates ?? [],
    template: {
      ...template,
      settings: template?.settings ?? {},
      mappings: template?.mappings ?? { dynamic: 'true', properties: {} },
    },
    _meta: found._meta ?? {},
  };
}
