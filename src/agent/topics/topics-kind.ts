import type { InputKind, TopicsInput } from '../source-input.ts';
import { mayReadPath } from './partition-name.ts';
import { TopicInput } from './topic-input.ts';
import { TrackedPartition } from './tracked-partition.ts';

export const topicsKind: InputKind<TopicsInput> = {
  type: 'kafka',
  isOneByTopic: false,
  // Named by none any more: one input must close it, or it would hold the clock for ever.
  owns: (input, { path }, others) => mayReadPath(input, path) || !others.some((other) => mayReadPath(other, path)),
  open([given], entries, deps) {
    const { name: input, lineBytesMax } = given;
    const sources = entries.map((entry) => new TrackedPartition(deps.agent, { ...entry, input }, lineBytesMax));
    return { input: new TopicInput(given, deps, sources), sources };
  },
};
