import type { Fate, LedgerEntry } from '../epoch/epoch.ts';
import { type LineSum, addSum, emptySum } from '../record/line-id.ts';
import { type SourceId, agentOf, sourceId } from '../record/source.ts';

interface Account extends LedgerEntry {
  readonly sum: LineSum;
}

/** Lines of all sources with one fate. */
export interface LedgerTotal {
  readonly consumer: string;
  readonly fate: Fate;
  readonly reason: string;
  lines: number;
}

/** Every line of every source with every consumer has one fate; this keeps the totals, and the epoch carries those that changed. */
export class Ledger {
  readonly #accounts = new Map<SourceId, Map<string, Account>>();
  readonly #changed = new Set<Account>();
  readonly #totals = new Map<string, LedgerTotal>();

  add(source: SourceId, consumer: string, fate: Fate, reason: string, sum: Readonly<LineSum>): void {
    const account = this.#account(source, consumer, fate, reason);
    addSum(account.sum, sum);
    this.#changed.add(account);
    this.#tally(account, sum.lines);
  }

  /** Over all sources, forgotten ones among them. */
  get totals(): Iterable<Readonly<LedgerTotal>> {
    return this.#totals.values();
  }

  /** Folds a forgotten source into its agent's total, which has number 0. The source's own accounts travel once more, empty. */
  forget(source: SourceId): void {
    const total = sourceId(agentOf(source), 0);
    for (const account of this.#accounts.get(source)?.values() ?? []) {
      this.add(total, account.consumer, account.fate, account.reason, account.sum);
      this.#tally(account, -account.sum.lines);
      Object.assign(account.sum, emptySum());
      this.#changed.add(account);
    }
    this.#accounts.delete(source);
  }

  get hasChanges(): boolean {
    return this.#changed.size > 0;
  }

  /** The accounts that changed since the last call; with `isAll`, every account, and those that were emptied in between. */
  take(isAll: boolean): LedgerEntry[] {
    const entries = isAll ? [...this.#emptied()] : [...this.#changed];
    if (isAll) for (const accounts of this.#accounts.values()) entries.push(...accounts.values());
    this.#changed.clear();
    return entries.map(copy);
  }

  restore(entries: readonly LedgerEntry[]): void {
    for (const { source, consumer, fate, reason, sum } of entries) {
      const account = this.#account(source, consumer, fate, reason);
      this.#tally(account, sum.lines - account.sum.lines);
      Object.assign(account.sum, sum);
      // A forgotten source's accounts come once more, empty: nothing is kept for them.
      if (sum.lines !== 0 || sum.a !== 0 || sum.b !== 0) continue;
      const accounts = this.#accounts.get(source)!;
      accounts.delete(keyOf(consumer, fate, reason));
      if (accounts.size === 0) this.#accounts.delete(source);
    }
  }

  #tally({ consumer, fate, reason }: Account, lines: number): void {
    const key = keyOf(consumer, fate, reason);
    const total = this.#totals.get(key);
    if (total === undefined) this.#totals.set(key, { consumer, fate, reason, lines });
    else total.lines += lines;
  }

  *#emptied(): Iterable<Account> {
    for (const account of this.#changed) if (!this.#accounts.has(account.source)) yield account;
  }

  #account(source: SourceId, consumer: string, fate: Fate, reason: string): Account {
    let accounts = this.#accounts.get(source);
    if (accounts === undefined) this.#accounts.set(source, (accounts = new Map()));
    const key = keyOf(consumer, fate, reason);
    let account = accounts.get(key);
    if (account === undefined) accounts.set(key, (account = { source, consumer, fate, reason, sum: emptySum() }));
    return account;
  }
}

function keyOf(consumer: string, fate: Fate, reason: string): string {
  return `${consumer}\n${fate}\n${reason}`;
}

function copy(account: Account): LedgerEntry {
  return { ...account, sum: { ...account.sum } };
}
