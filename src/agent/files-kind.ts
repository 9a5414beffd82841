import type { RegistryEntry } from './registry.ts';
import { Scanner } from './scanner.ts';
import type { FilesInput, InputDeps, InputKind } from './source-input.ts';
import { FileFinder } from './sources/file.ts';
import { TrackedFile } from './tracked-file.ts';

export const filesKind: InputKind<FilesInput> = { type: 'file', isOneByTopic: true, open };

function open(
  group: readonly [FilesInput, ...FilesInput[]],
  entries: readonly RegistryEntry[],
  deps: InputDeps,
): ReturnType<InputKind['open']> {
  const inputs = new Map(group.map((input) => [input.name, input]));
  const [{ topic, lineBytesMax }] = group;
  // An entry of `sources` that is gone leaves its files to whichever finds them now.
  const track = (entry: RegistryEntry): TrackedFile =>
    new TrackedFile(deps.agent, entry, inputs.get(entry.input)?.lineBytesMax ?? lineBytesMax);
  const sources = entries.map((entry) => {
    const source = track(entry);
    source.lastSeenMs = deps.clock.monotonicMs();
    return source;
  });
  const create = (entry: Omit<RegistryEntry, 'number'>): TrackedFile => {
    const source = track({ ...entry, number: deps.giveNumber() });
    deps.serve(source);
    return source;
  };
  return { input: new Scanner({ ...deps, topic, inputs, finder: new FileFinder(group), create }, sources), sources };
}
