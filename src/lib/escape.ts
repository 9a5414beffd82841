/** C0, DEL, C1, line separators, and the marks that reorder text: what a log line must not do to a terminal. */
// oxlint-disable-next-line eslint/no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]/gu;

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Text of a log made safe to show: control characters become visible escapes such as `\x1b`, the rest stays as it is. */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, (character) => SHORT[character] ?? escapeCode(character.charCodeAt(0)));
}

function escapeCode(code: number): string {
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
}

/** The same for a text of several lines that are ours. */
export function escapeLines(text: string): string {
  return text.replace(UNSAFE, (character) =>
    character === '\n' ? character : (SHORT[character] ?? escapeCode(character.charCodeAt(0))),
  );
}

/**
 * A JSON text with what a terminal would obey as `\u…`, which is the same JSON. JSON.stringify escapes C0 and halves of surrogates alone; other
 * such characters stand in strings only.
 */
export function escapeJson(json: string): string {
  return json.replace(UNSAFE, (character) =>
    character === '\n' ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** `user:password@host`, with or without a scheme before it. */
const CREDENTIALS = /([^\s:/@"'`,[\]{}()]{1,128}:)([^\s/@"'`]{1,256})(@)/g;

/** Text with each password of a `user:password@` as `replace` has it. */
export function replaceCredentials(text: string, replace: (password: string) => string): string {
  if (!text.includes('@')) return text;
  return text.replace(
    CREDENTIALS,
    (_whole, user: string, password: string, at: string) => user + replace(password) + at,
  );
}

/** Text that is shown, without passwords of addresses. */
export function withoutCredentials(text: string): string {
  return replaceCredentials(text, () => '***');
}
