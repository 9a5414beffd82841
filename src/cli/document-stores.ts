import type { Config } from '../config/config.ts';
import type { DocumentStore } from '../query/audit-documents.ts';
import type { Components, OpenStore } from '../roles/definitions.ts';
import { sinksOf } from '../roles/sink-readers.ts';

/** The stores of documents that a configuration names, for an audit. Clients are opened when they are asked, and closed with `close`. */
export async function documentStores(
  config: Config | undefined,
  components: Components,
  nowMs: number,
): Promise<{ readonly stores: DocumentStore[]; readonly close: () => Promise<void> }> {
  const sinks = config === undefined ? [] : sinksOf(config, components);
  const opened: OpenStore[] = [];
  for (const { name, sink, definition } of sinks) {
    const store = await definition.openStore?.(name, sink, nowMs);
    if (store !== undefined) opened.push(store);
  }
  return {
    stores: opened.map(({ store }) => store),
    close: async () => {
      for (const { close } of opened) await close();
    },
  };
}
