import { distance } from 'fastest-levenshtein';

/** The one of `names` that was probably meant, or undefined when none is near. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.ceil(name.length / 3)) + 0.5;
  const wanted = name.toLowerCase();
  for (const candidate of names) {
    // A name that holds the word typed (`status` in `http.response.status_code`) is near, whatever its length.
    const holds = wanted.length >= 4 && candidate.toLowerCase().includes(wanted);
    const edits = holds ? Math.min(2, distance(wanted, candidate)) : distance(wanted, candidate.toLowerCase());
    if (edits < bestDistance) {
      best = candidate;
      bestDistance = edits;
    }
  }
  return best;
}

/** `did you mean "x"?`, or the list of what there is, or undefined when there is nothing. */
export function suggestion(name: string, names: readonly string[]): string | undefined {
  const near = nearest(name, names);
  if (near !== undefined) return `did you mean "${near}"?`;
  if (names.length === 0) return undefined;
  const shown = names.slice(0, 8).join(', ');
  return `one of: ${shown}${names.length > 8 ? `, … (${names.length} in all)` : ''}`;
}
