import type { EpochBody } from '../epoch/epoch.ts';
import type { OperatorState, RowSet } from '../epoch/table.ts';
import type { EpochDraft } from '../operators/operator.ts';

/** What operators say of an interval, as an epoch holds it. */
export class DraftedTables implements EpochDraft {
  readonly upserts: RowSet[] = [];
  readonly #removes: RowSet[] = [];
  readonly #state: OperatorState[] = [];

  get tables(): Pick<EpochBody, 'upserts' | 'removes' | 'state'> {
    return { upserts: this.upserts, removes: this.#removes, state: this.#state };
  }

  upsert(rows: RowSet): void {
    this.upserts.push(rows);
  }

  remove(identities: RowSet): void {
    this.#removes.push(identities);
  }

  state(state: OperatorState): void {
    this.#state.push(state);
  }
}
