import type { Config, InputConfig } from '../config/config.ts';
import { present } from '../lib/assert.ts';
import type { Components, SourceDefinition } from './definitions.ts';

/** The entries of `sources`, each with what it does. */
export function sourcesOf(
  { inputs }: Pick<Config, 'inputs'>,
  components: Components,
): { readonly input: InputConfig; readonly definition: SourceDefinition<any> }[] {
  return inputs.map((input) => ({
    input,
    definition: present(components.sources[input.type], `source ${input.type} is known`),
  }));
}
