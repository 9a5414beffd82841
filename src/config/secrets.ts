import { replaceCredentials, withoutCredentials } from '../lib/escape.ts';

/** Keys whose values are nobody's to see, in a file and in what is made of it. */
const SECRET_KEY = /(?:password|passwd|passphrase|secret|token|api_?key)$/i;
const HIDDEN = '***';

/** A secret key with its value on one line, for text that is no YAML. */
const SECRET_LINE =
  /((?:password|passwd|passphrase|secret|token|api_?key)["']?[ \t]*[:=][ \t]*)("(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?|[^\s,}\]][^\n,}\]]*)/gi;

export function isSecretKey(key: string): boolean {
  return SECRET_KEY.test(key);
}

/**
 * The text of a configuration to be shown: secrets become asterisks, everything else stays where it is, lines and columns with it. References
 * are not secrets.
 */
export function maskSecrets(text: string, spans: readonly (readonly [number, number])[]): string {
  let masked = text;
  for (const [start, end] of spans)
    masked = masked.slice(0, start) + starred(masked.slice(start, end)) + masked.slice(end);
  return replaceCredentials(
    masked.replace(SECRET_LINE, (_whole, key: string, value: string) => key + starred(value)),
    starred,
  );
}

function starred(value: string): string {
  return /^["']?\$\{(?:env|file):[^}]*\}["']?$/.test(value.trim()) ? value : value.replaceAll(/[^\n\r"']/g, '*');
}

/** A copy to be shown: secrets hidden, everything else as it is. */
export function withoutSecrets(value: unknown): unknown {
  if (typeof value === 'string') return withoutCredentials(value);
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      isSecretKey(key) && typeof inner === 'string' ? HIDDEN : withoutSecrets(inner),
    ]),
  );
}
