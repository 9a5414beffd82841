import type { RegistryEntry } from './registry.ts';
import type { AgentInput } from './source-input.ts';

/**
 * Entries of `sources` that are read as one: those of files with the same topic. Which of them a file belongs to is asked of its path in each
 * scan, so a source stays the same when an entry is added, removed, renamed, or swapped with another.
 */
export function inputGroups(inputs: readonly AgentInput[]): (readonly [AgentInput, ...AgentInput[]])[] {
  const groups = new Map<string, [AgentInput, ...AgentInput[]]>();
  for (const [i, input] of inputs.entries()) {
    const { type, isOneByTopic } = input.kind;
    const key = isOneByTopic ? `${type} of ${input.topic}` : `${i}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [input]);
    else group.push(input);
  }
  return [...groups.values()];
}

/** Whether a source the registry knows belongs to an input: one of its kind and topic, and of several of these the one that names it. */
export function isOfInput(entry: RegistryEntry, input: AgentInput, inputs: readonly AgentInput[]): boolean {
  const { kind, topic } = input;
  if (entry.topic !== topic || entry.kind !== kind.type) return false;
  const others = inputs.filter((other) => other !== input && other.kind.type === kind.type && other.topic === topic);
  return kind.owns?.(input, entry, others) ?? true;
}
