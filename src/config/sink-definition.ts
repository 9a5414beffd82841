import type { z } from 'zod';

/** A kind of sink as the configuration sees it: its options are checked here and handed to the role that runs it. */
export interface SinkDefinition {
  readonly type: string;
  readonly summary: string;
  readonly options: z.ZodObject;
  /** Options of an example for the reference, besides the type. */
  readonly example?: Readonly<Record<string, unknown>>;
}
