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
