import { OperatingError, describeError, systemErrorCode } from '../lib/errors.ts';
import { escapeJson, escapeLines, escapeText, withoutCredentials } from '../lib/escape.ts';

/** `tailrace … | head` closes stdout early: that is the reader's good right, and no error. */
export function stdoutStaysQuietWhenClosed(): void {
  process.stdout.on('error', (error) => {
    if (systemErrorCode(error) !== 'EPIPE') throw error;
    process.exit(0);
  });
  // Nobody reads the messages any more: the work goes on.
  process.stderr.on('error', () => undefined);
}

/** Results go to stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Resolves when readers have taken everything: a pipe holds 64 KiB, and an exit throws away what has not gone into it. */
export async function printed(): Promise<void> {
  const written = (stream: NodeJS.WriteStream): Promise<void> =>
    new Promise((resolve) => stream.write('', () => resolve()));
  await Promise.all([written(process.stdout), written(process.stderr)]);
}

export function printJson(value: unknown): void {
  print(escapeJson(JSON.stringify(value)));
}

/** Messages for a person go to stderr, so that stdout can be piped. They may tell of names and answers of others. */
export function say(text: string): void {
  process.stderr.write(`${withoutCredentials(escapeLines(text))}\n`);
}

/** Takes events, and says those that its text function has words for. */
export function saying<Event>(text: (event: Event) => string | undefined): (event: Event) => void {
  return (event) => {
    const line = text(event);
    if (line !== undefined) say(line);
  };
}

/** One clear line for what went wrong outside; everything there is for a bug. */
export function reportError(error: unknown): void {
  if (error instanceof OperatingError) {
    // These are pictures of several lines, escaped where they show what was written.
    const isPicture = error.code === 'CONFIG_INVALID' || error.code === 'SEARCH_QUERY';
    say(isPicture ? error.message : `tailrace: ${escapeText(describeError(error))}`);
    return;
  }
  say(`tailrace: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
}

export type Colour = 'bold' | 'dim' | 'red' | 'green' | 'yellow';
const CODES: Readonly<Record<Colour, number>> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 };

/** Colours only where a person looks, and wants them: https://no-color.org. */
export function hasColours(stream: { isTTY?: boolean }, environment: NodeJS.ProcessEnv = process.env): boolean {
  if (environment['NO_COLOR'] !== undefined && environment['NO_COLOR'] !== '') return false;
  if (environment['FORCE_COLOR'] !== undefined && environment['FORCE_COLOR'] !== '0') return true;
  return stream.isTTY === true && environment['TERM'] !== 'dumb';
}

/** A painter for one stream: text as it is where there are no colours. */
export function painter(hasColour: boolean): (colour: Colour, text: string) => string {
  return (colour, text) => (hasColour ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text);
}
