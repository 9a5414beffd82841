import { systemClock } from '../../src/lib/clock.ts';

/** Scrapes an exporter, one request after the other, until its text holds a line; returns that text. */
export async function scrapeUntil(address: string, line: string, withinMs: number): Promise<string> {
  const endMs = systemClock.monotonicMs() + withinMs;
  for (;;) {
    const text = await fetch(address).then(
      (answer) => answer.text(),
      (error: unknown) => String(error),
    );
    if (text.includes(line)) return text;
    if (systemClock.monotonicMs() > endMs) throw new Error(`no ${line} in ${withinMs} ms:\n${text}`);
    await systemClock.sleep(100);
  }
}
