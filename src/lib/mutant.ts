/**
 * Deliberate defects in the protocol, each switched on by a test-only flag: the suite must turn red for every one of them,
 * or a test is missing. Inert unless `TAILRACE_MUTANT` names one at start, or a simulation sets it.
 */
export const MUTANTS = [
  /** The block rule without its high-water mark: what comes twice counts twice. */
  'block.no_high_water_mark',
  /** The block rule without `prev`: a gap is taken as progress. */
  'block.no_prev',
  /** A new source starts at its first block instead of its origin. */
  'block.any_first_block',
  /** A source that was forgotten is taken as new when it comes again. */
  'block.forgotten_is_new',
  /** Every epoch counts, whatever its `prev`. */
  'epoch.every_counts',
  /** A snapshot counts, whatever its `prev`: readers begin at the last one seen. */
  'epoch.any_snapshot_counts',
  /** A task goes on from an acknowledged epoch without having read that it counts. */
  'task.trusts_append',
  /** The warehouse writes its cursor in a transaction of its own. */
  'warehouse.cursor_apart',
  /** The agent registers positions before the log has acknowledged them. */
  'agent.register_before_ack',
  /** The agent reads a copy of a file as a file of its own, at once. */
  'agent.copy_is_new',
  /** The watermark ignores announced sources that were not read yet. */
  'watermark.no_announced_hold',
  /** A beat moves time although the reader has not yet everything it speaks of. */
  'beat.position_ignored',
  /** A document sink's epoch says what its store has not yet taken. */
  'documents.cursor_before_bulk',
  /** A table's allowed lateness leaves out that of the table it reads. */
  'chain.own_lateness',
  /** An idle clock goes up to the timers that wait, and not on to those that their rows set. */
  'chain.no_fixpoint',
  /** Rows reach the readers of their table before timers of theirs that were due. */
  'chain.rows_before_timers',
  /** Raw is trimmed without asking the agents' last full beats and the sinks' cursors. */
  'trim.past_readers',
  /** Timers fire behind a batch, wherever in it they were due. */
  'timers.after_batch',
  /** Within a batch only those timers fire that were set before it. */
  'timers.known_before_batch',
  /** A line is judged late before it is known which sessions it joins. */
  'session.judge_first',
  /** Sessions that are joined to another one stay in the tables. */
  'session.no_remove',
  /** Of sessions that are joined the one at the first place is taken for the oldest. */
  'session.order_by_cut',
  /** A snapshot leaves out what ended since the last epoch. */
  'snapshot.only_open',
  /** The warehouse calls rows final before it removes those that were joined. */
  'fold.removes_last',
  /** A line is counted for windows of its pane that were closed when it came. */
  'sliding.late_in_closed',
  /** A condition that is not known is taken for one that is false. */
  'expression.null_as_false',
  /** A whole quotient below 0 is rounded away from 0. */
  'expression.floor_division',
] as const;
export type Mutant = (typeof MUTANTS)[number];

let active: Mutant | undefined = MUTANTS.find((name) => name === process.env['TAILRACE_MUTANT']);

export function isMutant(name: Mutant): boolean {
  return active === name;
}

export function setMutant(name: Mutant | undefined): void {
  active = name;
}
