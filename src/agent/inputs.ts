import { present } from '../lib/assert.ts';
import type { RegistryEntry } from './registry.ts';
import { Scanner } from './scanner.ts';
import type { AgentInput, FilesInput, InputDeps, SourceInput } from './source-input.ts';
import { FileFinder } from './sources/file.ts';
import { mayReadPath } from './topics/partition-name.ts';
import { TopicInput } from './topics/topic-input.ts';
import { TrackedPartition } from './topics/tracked-partition.ts';
import { TrackedFile } from './tracked-file.ts';
import type { TrackedSource } from './tracked-source.ts';

/**
 * Entries of `sources` that are read as one: those of files with the same topic. Which of them a file belongs to is asked of its path in each
 * scan, so a source stays the same when an entry is added, removed, renamed, or swapped with another.
 */
export function inputGroups(inputs: readonly AgentInput[]): (readonly [AgentInput, ...AgentInput[]])[] {
  const groups = new Map<string, [AgentInput, ...AgentInput[]]>();
  for (const [i, input] of inputs.entries()) {
    const key = input.type === 'kafka' ? `${i}` : `of ${input.topic}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [input]);
    else group.push(input);
  }
  return [...groups.values()];
}

/** Whether a source the registry knows belongs to an input: one of its kind and topic, and of several of topics the one that names it. */
export function isOfInput(entry: RegistryEntry, input: AgentInput, inputs: readonly AgentInput[]): boolean {
  if (entry.topic !== input.topic || (entry.kind === 'kafka') !== (input.type === 'kafka')) return false;
  if (input.type !== 'kafka' || mayReadPath(input, entry.path)) return true;
  // Named by none any more: one input must close it, or it would hold the clock for ever.
  return !inputs.some(
    (other) =>
      other.type === 'kafka' && other !== input && other.topic === entry.topic && mayReadPath(other, entry.path),
  );
}

/** Makes the input of a group, with the sources of its own that the registry knows. */
export function openInput(
  group: readonly [AgentInput, ...AgentInput[]],
  entries: readonly RegistryEntry[],
  deps: InputDeps,
): { readonly input: SourceInput; readonly sources: readonly TrackedSource[] } {
  const [given] = group;
  if (given.type === 'kafka') {
    const { name: input, lineBytesMax } = given;
    const sources = entries.map((entry) => new TrackedPartition(deps.agent, { ...entry, input }, lineBytesMax));
    return { input: new TopicInput(given, deps, sources), sources };
  }
  return openFiles(group.filter((input) => input.type !== 'kafka') as FilesInput[], entries, deps);
}

function openFiles(
  group: readonly FilesInput[],
  entries: readonly RegistryEntry[],
  deps: InputDeps,
): { readonly input: SourceInput; readonly sources: readonly TrackedSource[] } {
  const inputs = new Map(group.map((input) => [input.name, input]));
  const [first] = group;
  const { topic, lineBytesMax } = present(first, 'a group has an input');
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
