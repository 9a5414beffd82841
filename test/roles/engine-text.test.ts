import { expect, test } from '@jest/globals';
import { type EngineRoleEvent, engineText } from '../../src/roles/engine-text.ts';

const task = { pipeline: 'web', stream: 'access', partition: 2 };
const none = { gained: [], lost: [], held: 1, isFixed: false };

test.each<[string | undefined, EngineRoleEvent]>([
  [undefined, { type: 'assigned', ...none }],
  ['has no partition: idle', { type: 'assigned', ...none, held: 0, isFixed: true }],
  [undefined, { type: 'assigned', ...none, gained: ['access/0'], isFixed: true }],
  ['takes access/0; has 1 partition', { type: 'assigned', ...none, gained: ['access/0'] }],
  ['gives up access/1; has 2 partitions', { type: 'assigned', ...none, lost: ['access/1'], held: 2 }],
  ['group t.web.workers answers again', { type: 'group', line: 'group t.web.workers answers again' }],
  [
    'access/2: fenced 2 in a row, another worker wrote its epochs: asks in 2000 ms whether it is still ours',
    { type: 'fenced', task, inARow: 2, pauseMs: 2000 },
  ],
  [
    'ALARM access/2: fenced 3 in a row, another worker wrote its epochs: asks in 4000 ms whether it is still ours',
    { type: 'fenced', task, inARow: 3, pauseMs: 4000 },
  ],
  ['access/2: the raw log was trimmed before: history begins at offset 7', { type: 'history_from', task, offset: 7 }],
  [undefined, { type: 'restored', task, epochs: 0, to: 0, rawEnd: 9, tookMs: 1 }],
  [
    'access/2: state restored from 3 epochs in 12 ms, 4 messages behind',
    { type: 'restored', task, epochs: 3, to: 5, rawEnd: 9, tookMs: 12.3 },
  ],
  [undefined, { type: 'trimmed', task, rawBefore: 1, epochsBefore: 1 }],
])('says %p', (line, event) => {
  expect(engineText(event)).toBe(line);
});
