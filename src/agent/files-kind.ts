import type { FileReading } from './placement.ts';
import type { RegistryEntry } from './registry.ts';
import { Scanner } from './scanner.ts';
import type { SourceFinder } from './source.ts';
import type { AgentInput, FilesInput, InputDeps, InputKind } from './source-input.ts';
import { FileFinder } from './sources/file.ts';
import { TrackedFile } from './tracked-file.ts';

type Group<Input> = readonly [Input, ...Input[]];

export const filesKind: InputKind<FilesInput> = readableAgain('file', (inputs) => new FileFinder(inputs));

/** The kind of whatever a finder finds: bytes that can be read again from any position, as those of files. */
export function readableAgain<Input extends AgentInput & FileReading>(
  type: string,
  finderOf: (inputs: Group<Input>) => SourceFinder,
): InputKind<Input> {
  return { type, isOneByTopic: true, open: (inputs, entries, deps) => open(inputs, entries, deps, finderOf(inputs)) };
}

function open(
  group: Group<AgentInput & FileReading>,
  entries: readonly RegistryEntry[],
  deps: InputDeps,
  finder: SourceFinder,
): ReturnType<InputKind['open']> {
  const inputs = new Map(group.map((input) => [input.name, input]));
  const [{ topic, lineBytesMax, kind }] = group;
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
  return { input: new Scanner({ ...deps, topic, kind: kind.type, inputs, finder, create }, sources), sources };
}
