import type { Clock } from '../lib/clock.ts';
import type { AgentInput } from './agent.ts';
import type { Notify } from './events.ts';
import type { AgentLimits } from './limits.ts';
import type { OpenFiles } from './open-files.ts';
import type { RegistryEntry } from './registry.ts';
import { Scanner } from './scanner.ts';
import type { SourceInput } from './source.ts';
import { FileFinder } from './sources/file.ts';
import { isPartitionPath } from '../record/partition-path.ts';
import { mayReadPath } from './topics/partition-name.ts';
import { TopicInput } from './topics/topic-input.ts';
import { TrackedPartition } from './topics/tracked-partition.ts';
import { TrackedFile } from './tracked-file.ts';
import type { TrackedSource } from './tracked-source.ts';

/** What an input needs of the session that it is part of. */
export interface InputDeps {
  readonly agent: string;
  readonly clock: Clock;
  readonly notify: Notify;
  readonly isOnce: boolean;
  readonly limits: AgentLimits;
  /** Of all inputs. */
  readonly openFiles: OpenFiles;
  /** Whether one more source may be made. */
  readonly hasRoom: () => boolean;
  /** A number that no source has; it is written down before anything speaks of it. */
  readonly giveNumber: () => number;
  /** Takes a new source in: it is announced, and read from then on. */
  readonly serve: (source: TrackedSource) => void;
  /** There may be something to read now: a session that waits goes on at once. */
  readonly wake: () => void;
}

/** Whether a source the registry knows belongs to an input: one of its kind and stream, and of several the one that names it. */
export function isOfInput(entry: RegistryEntry, input: AgentInput, inputs: readonly AgentInput[]): boolean {
  const isOfTopics = isPartitionPath(entry.path);
  if (entry.topic !== input.topic || isOfTopics !== (input.type === 'kafka')) return false;
  if (input.type !== 'kafka' || mayReadPath(input, entry.path)) return true;
  // Named by none any more: one input must close it, or it would hold the clock for ever.
  return !inputs.some(
    (other) =>
      other.type === 'kafka' && other !== input && other.topic === entry.topic && mayReadPath(other, entry.path),
  );
}

/** Makes the input of an entry of `sources`, with the sources of its own that the registry knows. */
export function openInput(
  given: AgentInput,
  entries: readonly RegistryEntry[],
  deps: InputDeps,
): { readonly input: SourceInput; readonly sources: readonly TrackedSource[] } {
  const { agent } = deps;
  const { lineBytesMax } = given;
  if (given.type === 'kafka') {
    const sources = entries.map((entry) => new TrackedPartition(agent, entry, lineBytesMax));
    return { input: new TopicInput(given, deps, sources), sources };
  }
  const sources = entries.map((entry) => {
    const source = new TrackedFile(agent, entry, lineBytesMax);
    source.lastSeenMs = deps.clock.monotonicMs();
    return source;
  });
  const create = (entry: Omit<RegistryEntry, 'number'>): TrackedFile => {
    const source = new TrackedFile(agent, { ...entry, number: deps.giveNumber() }, lineBytesMax);
    deps.serve(source);
    return source;
  };
  const { topic } = given;
  return { input: new Scanner({ ...deps, topic, finder: new FileFinder(given), create }, sources), sources };
}
