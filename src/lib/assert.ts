/** A bug: a state the program claims cannot be. It ends the process; the supervisor starts it again from the log. */
export class Bug extends Error {
  override readonly name = 'Bug';
}

/** Throws a {@link Bug} unless `condition` holds. For programmer errors only: bad input and failing disks have errors of their own. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Bug(`BUG: ${message}`);
}

/** The value, asserted to be there. */
export function present<T>(value: T | null | undefined, message: string): T {
  assert(value !== null && value !== undefined, message);
  return value;
}
