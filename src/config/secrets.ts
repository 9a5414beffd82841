/** Keys of a resolved configuration whose values are nobody's to see. */
const SECRET_KEYS: ReadonlySet<string> = new Set(['password', 'apiKey']);
const HIDDEN = '***';

/** A copy to be shown: secrets hidden, everything else as it is. */
export function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      SECRET_KEYS.has(key) && typeof inner === 'string' ? HIDDEN : withoutSecrets(inner),
    ]),
  );
}
