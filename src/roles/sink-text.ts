import { type ClusterEvent, clusterText } from './cluster-text.ts';
import type { GroupEvent, TurnEvent } from './turn.ts';

/** What a sink tells whatever its kind. */
export type SinkRoleEvent = TurnEvent | GroupEvent | ClusterEvent;

/** What a person should know of a sink, as a line; `own` says what its kind tells besides. */
export function sinkText<Own extends { readonly type: string }>(
  own: (event: Own) => string | undefined = () => undefined,
): (event: SinkRoleEvent | Own) => string | undefined {
  return (event) => {
    const known = event as SinkRoleEvent;
    switch (known.type) {
      case 'cluster':
        return clusterText(known);
      case 'group':
        return known.line;
      case 'stands_by':
        return 'another process has the turn: this one stands by';
      case 'goes_on':
        return 'it is the turn of this one now: it goes on';
      default:
        return own(event as Own);
    }
  };
}
