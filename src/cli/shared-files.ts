import { FileFinder } from '../agent/sources/file.ts';
import type { Config, FilesInputConfig } from '../config/config.ts';
import { shownPath } from '../config/load.ts';

/** More are counted. */
const NAMED_MAX = 5;

/** Files that several entries of `sources` name for one stream, and which of them reads each: in a stream a line is one line. */
export function sharedFileNotes({ inputs }: Pick<Config, 'inputs'>, stream: string): string[] {
  const files = inputs.filter((input): input is FilesInputConfig => input.type === 'file' && input.stream === stream);
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
