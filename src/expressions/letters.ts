/**
 * Upper and lower case as DuckDB has them: letter by letter, of each letter one (JavaScript makes 'SS' of 'ß', and looks at the letters around a Σ).
 * test/expressions/letters.test.ts compares every letter that there is.
 */

/** Letters that Unicode has cases for since DuckDB's tables were made. */
const NEWER =
  /[\u{1C89}\u{1C8A}\u{A7CB}-\u{A7CF}\u{A7D2}-\u{A7D5}\u{A7DA}-\u{A7DD}\u{10D50}-\u{10D85}\u{16EA0}-\u{16ED3}]/u;
const RUNS = /[\0-\x7f]+|[^\0-\x7f]/gu;

export function lowerCase(text: string): string {
  return text.replace(RUNS, (run) => {
    if (run === 'İ') return 'i';
    return accepted(run, run.toLowerCase());
  });
}

export function upperCase(text: string): string {
  return text.replace(RUNS, (run) => {
    const upper = run.toUpperCase();
    if (upper.length === run.length) return accepted(run, upper);
    if (run === 'ß') return 'ẞ';
    // Greek letters with an iota below have a capital of their own.
    const code = run.charCodeAt(0);
    if (code >= 0x1f80 && code < 0x1fb0) return String.fromCharCode(code | 8);
    return code === 0x1fb3 || code === 0x1fc3 || code === 0x1ff3 ? String.fromCharCode(code + 9) : run;
  });
}

function accepted(from: string, to: string): string {
  return to.length !== from.length || NEWER.test(from) || NEWER.test(to) ? from : to;
}

const SURROGATE = /[\uD800-\uDFFF]/;

/** How many letters (code points) a text has. */
export function lengthOf(text: string): number {
  if (!SURROGATE.test(text)) return text.length;
  let length = 0;
  for (let i = 0; i < text.length; i++) if ((text.charCodeAt(i) & 0xfc00) !== 0xdc00) length++;
  return length;
}

/** The letters from one place up to another. */
export function sliceOf(text: string, from: number, to: number): string {
  return SURROGATE.test(text) ? Array.from(text).slice(from, to).join('') : text.slice(from, to);
}
