import { z } from 'zod';
import { filesKind } from '../../agent/files-kind.ts';
import type { FilesInput } from '../../agent/source-input.ts';
import { FileFinder } from '../../agent/sources/file.ts';
import { absolutePatterns, patternProblem, shownPattern } from '../../agent/sources/glob.ts';
import type { InputConfig } from '../../config/config.ts';
import type { Section, SourceContext } from '../../config/definitions.ts';
import { shownPath } from '../../config/load.ts';
import { duration, size } from '../../lib/units.ts';
import type { SourceDefinition } from '../definitions.ts';

/** Long enough for stack traces and fat JSON, short enough that a line is never a large part of a block. */
const LINE_BYTES_MAX_DEFAULT = '256KiB';
/** Longer than a rotation takes from its copy to its truncation. */
const COPY_GRACE_DEFAULT = '30s';

/** Each one is looked for at every scan. */
const PATTERNS_MAX = 1000;

const pattern = z
  .string({ error: () => 'expects text' })
  .min(1, { error: () => 'must not be empty' })
  .superRefine((text, context) => {
    const message = patternProblem(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });
const patterns = z
  .array(pattern, { error: () => 'expects a list of paths or patterns' })
  .max(PATTERNS_MAX, { error: () => `takes at most ${PATTERNS_MAX} patterns` });

const fileOptions = z.strictObject({
  include: patterns
    .min(1, { error: () => 'must not be empty' })
    .describe(
      'Paths or patterns (`*`, `?`, `[a-z]`, `{a,b}`, `**`; a backslash before a character that stands for itself). Include the rotated names too. `~` is not expanded.',
    ),
  exclude: patterns.default([]).describe('Patterns of paths, or of names where there is no slash, that are left out.'),
  line_bytes_max: size({ min: '64B', max: '511KiB' })
    .prefault(LINE_BYTES_MAX_DEFAULT)
    .describe('Bytes of a line that are kept; a longer line is cut and flagged. Less than a block.'),
  copy_grace: duration({ min: '0s', max: '1h' })
    .prefault(COPY_GRACE_DEFAULT)
    .describe(
      'A new file with the content of a known one waits for so long: rotation by copy and truncation soon shows which of the two goes on. When both stay, it is a file of its own.',
    ),
});

export interface FilesInputConfig extends InputConfig {
  readonly type: 'file';
  /** Absolute patterns. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly lineBytesMax: number;
  readonly copyGraceMs: number;
}

function resolve(section: Section, { name, folder }: SourceContext): FilesInputConfig {
  const source = section as z.output<typeof fileOptions> & { readonly stream: string };
  return {
    name,
    type: 'file',
    stream: source.stream,
    include: source.include.flatMap((pattern) => absolutePatterns(folder, pattern)),
    // A pattern without a slash is one of names, wherever the file lies.
    exclude: source.exclude.flatMap((pattern) =>
      pattern.includes('/') ? absolutePatterns(folder, pattern) : [pattern],
    ),
    lineBytesMax: source.line_bytes_max,
    copyGraceMs: source.copy_grace,
  };
}

/** More are counted. */
const NAMED_MAX = 5;

/** Files that several entries of `sources` name for one stream, and which of them reads each: in a stream a line is one line. */
function sharedFileNotes(files: readonly FilesInputConfig[]): string[] {
  if (files.length < 2) return [];
  const notes: string[] = [];
  const owners = new Map<string, string>();
  for (const input of files) {
    for (const { place, path } of new FileFinder([input]).scan().found) {
      const owner = owners.get(place);
      if (owner === undefined) owners.set(place, input.name);
      else if (owner !== input.name) notes.push(`${shownPath(path)} is of ${owner}, which comes before ${input.name}`);
    }
  }
  const more = notes.length - NAMED_MAX;
  return more > 0 ? [...notes.slice(0, NAMED_MAX), `and ${more} files more`] : notes;
}

function places({ include }: FilesInputConfig): string[] {
  return include.map((pattern) => shownPath(shownPattern(pattern)));
}

/** Files, by paths and patterns: growth, rotation by renaming, truncation; each line once. */
export const fileSource: SourceDefinition<FilesInputConfig> = {
  type: 'file',
  summary: 'Lines of files, by paths and patterns, through growth, rotation and truncation.',
  options: fileOptions,
  isOfHost: true,
  keepsKeys: false,
  examples: [
    {
      title: 'An access log with the names its rotation gives it',
      options: { include: ['/var/log/nginx/access.log*'], exclude: ['*.gz'] },
    },
  ],
  resolve,
  agentInput: ({ type: _type, ...input }, { topic, partitions }): FilesInput => ({
    ...input,
    topic,
    partitions,
    kind: filesKind,
  }),
  places,
  nothingIn: (input) => `no file matches ${places(input).join(', ')}`,
  notes: sharedFileNotes,
};
