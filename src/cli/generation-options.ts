import { EXIT, OperatingError } from '../lib/errors.ts';

/** Of `--generation`. */
export function asGeneration(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new OperatingError(`"${text}" is not a generation`, { code: 'USAGE', exitCode: EXIT.usage });
}

/** Of `--document-generation <stream>=<n>`, which may come several times. */
export function asDocumentGenerations(text: string, before: Readonly<Record<string, number>>): Record<string, number> {
  const at = text.lastIndexOf('=');
  return { ...before, [text.slice(0, at)]: asGeneration(text.slice(at + 1)) };
}
