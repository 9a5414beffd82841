import { z } from 'zod';
import { duration } from '../lib/units.ts';
import { FIRST_PAUSE_MS, RESTART_DEFAULTS, type RestartOptions } from '../supervisor/restart-strategy.ts';
import type { Report } from './definitions.ts';

const STRATEGIES = ['exponential_delay', 'fixed_delay', 'failure_rate', 'none'] as const;
const COUNT_FORM = 'must be a whole number between 1 and 1000000';
const pause = duration({ min: '1ms', max: '1h' }).optional();
const count = z
  .int({ error: () => COUNT_FORM })
  .min(1, { error: () => COUNT_FORM })
  .max(1_000_000, { error: () => COUNT_FORM })
  .optional();
const numberBetween = (min: number, max: number): z.ZodOptional<z.ZodNumber> => {
  const error = (): string => `must be a number between ${min} and ${max}`;
  return z.number({ error }).min(min, { error }).max(max, { error }).optional();
};

/** The settings of all strategies: which belong to the one that is named is checked below. */
export const restartSection = z.strictObject({
  strategy: z
    .enum(STRATEGIES, { error: () => `expects one of ${STRATEGIES.join(', ')}` })
    .prefault('exponential_delay')
    .describe(
      `When a role that failed is started again: \`exponential_delay\`, at first after ${FIRST_PAUSE_MS} ms, then ever later, and as if for the first time when it had done some of its work; \`fixed_delay\`; \`failure_rate\`, as long as failures are rare; \`none\`: never, everything stops.`,
    ),
  initial: pause.describe('`exponential_delay`: the pause before the second restart (1s).'),
  max: pause.describe('`exponential_delay`: the longest pause (1m).'),
  multiplier: numberBetween(1, 10).describe(
    '`exponential_delay`: by how much each pause is longer than the one before (1.5).',
  ),
  jitter: numberBetween(0, 1).describe(
    '`exponential_delay`: the share of a pause by which it may be longer or shorter (0.1).',
  ),
  reset_after: duration({ min: '1s', max: '7d' })
    .optional()
    .describe('`exponential_delay`: pauses begin again when nothing failed for this long, and the last pause (1h).'),
  attempts: count.describe(
    '`exponential_delay`: failures in a row, with no work done in between, behind which everything stops (12). `fixed_delay`: restarts in all (1).',
  ),
  delay: pause.describe('`fixed_delay`, `failure_rate`: the pause before each restart (1s).'),
  failures: count.describe('`failure_rate`: more than so many failures `within` stop everything (1).'),
  within: duration({ min: '1s', max: '7d' })
    .optional()
    .describe('`failure_rate`: the time in which failures are counted (1m).'),
});

export type RestartSection = z.output<typeof restartSection>;

const SETTINGS: Readonly<Record<RestartSection['strategy'], readonly (keyof RestartSection)[]>> = {
  exponential_delay: ['initial', 'max', 'multiplier', 'jitter', 'reset_after', 'attempts'],
  fixed_delay: ['delay', 'attempts'],
  failure_rate: ['delay', 'failures', 'within'],
  none: [],
};

export function checkRestart({ strategy, ...settings }: RestartSection, report: Report): void {
  const own = SETTINGS[strategy];
  for (const key of Object.keys(settings) as (keyof RestartSection)[]) {
    if (own.includes(key)) continue;
    const message = `restart.${key} is not a setting of ${strategy}`;
    const hint = own.length === 0 ? 'leave it out' : `it has ${own.join(', ')}`;
    report(['restart', key], 'key', { code: 'CONFIG_VALUE', message, hint });
  }
}

/** With every default filled in: those of Flink, but for the end of `exponential_delay`. */
export function resolveRestart(section: RestartSection): RestartOptions {
  const { strategy, delay: delayMs = 1_000 } = section;
  switch (strategy) {
    case 'exponential_delay': {
      const { initial, max, multiplier, jitter, reset_after: resetMs, attempts } = section;
      const given = { initialMs: initial, maxMs: max, multiplier, jitter, resetMs, attemptsMax: attempts };
      const written = Object.entries(given).filter(([, value]) => value !== undefined);
      return { ...RESTART_DEFAULTS, ...Object.fromEntries(written) } as RestartOptions;
    }
    case 'fixed_delay':
      return { strategy, delayMs, attemptsMax: section.attempts ?? 1 };
    case 'failure_rate':
      return { strategy, delayMs, failuresMax: section.failures ?? 1, windowMs: section.within ?? 60_000 };
    case 'none':
      return { strategy };
  }
}
