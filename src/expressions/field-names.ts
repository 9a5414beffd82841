/**
 * Names with dots, and names that begin with `@`, are one field to us and a path or an operator to SQL: before DuckDB reads a text they are put
 * into double quotes.
 */
export interface QuotedText {
  readonly text: string;
  /** The place in the user's text, in UTF-16 units, of a place in `text`. */
  originOf(place: number): number;
}

/** A string in one of three ways, a quoted name, a comment; a name with its dots; or a number, which may have one. */
const TOKENS =
  /'(?:[^']|'')*'|[eE]'(?:[^'\\]|''|\\[\s\S])*'|\$(?<tag>[A-Za-z_]*)\$[\s\S]*?\$\k<tag>\$|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|(?<name>(?:(?<!\^)@)?[\p{L}_][\p{L}\p{N}_@$]*(?:\.[@\p{L}_][\p{L}\p{N}_@$-]*(?<=[\p{L}\p{N}_@$]))*)(?<call>\s*\()?|\d[\d._]*(?:[eE][+-]?\d+)?/gu;

export function quoteFieldNames(text: string): QuotedText {
  const inserted: number[] = [];
  let quoted = '';
  let at = 0;
  for (const { index, groups } of text.matchAll(TOKENS)) {
    const name = groups?.['name'];
    if (name === undefined) continue;
    // The aggregate, not the keyword of SQL.
    const isName = groups?.['call'] === undefined ? /[.@]/.test(name) : /^distinct$/i.test(name);
    if (!isName) continue;
    quoted += `${text.slice(at, index)}"${name}"`;
    inserted.push(index, index + name.length);
    at = index + name.length;
  }
  quoted += text.slice(at);
  return {
    text: quoted,
    originOf(place) {
      let before = 0;
      // The k-th quotation mark stands at its own place and k others before it.
      while (before < inserted.length && inserted[before]! + before < place) before++;
      return place - before;
    },
  };
}
