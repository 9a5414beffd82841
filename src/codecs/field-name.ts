import { z } from 'zod';

const FORM = 'expects the name of a field, of 1 to 256 characters';

/** A name that a configuration gives a field. */
export const fieldName = z
  .string({ error: () => FORM })
  .min(1, { error: () => FORM })
  .max(256, { error: () => FORM });
