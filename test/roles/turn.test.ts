import { expect, test } from '@jest/globals';
import { sinkText } from '../../src/roles/sink-text.ts';
import { Turn, type TurnEvent } from '../../src/roles/turn.ts';
import { ScriptedAssignment } from '../support/scripted-assignment.ts';

const STANDS_BY = 'another process has the turn: this one stands by';
const GOES_ON = 'it is the turn of this one now: it goes on';

/** Work that says when it begins and ends, and takes a while to end. */
function setUp(work?: (signal: AbortSignal) => Promise<void>): {
  script: ScriptedAssignment;
  seen: string[];
  stop: AbortController;
  ended: Promise<unknown>;
} {
  const script = new ScriptedAssignment('turn');
  const seen: string[] = [];
  const stop = new AbortController();
  let works = 0;
  const slowWork = async (signal: AbortSignal): Promise<void> => {
    seen.push('begins');
    expect(++works).toBe(1);
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    for (let i = 0; i < 10; i++) await Promise.resolve();
    works--;
    seen.push('ends');
  };
  const notify = (event: TurnEvent): void => void seen.push(sinkText()(event)!);
  const turn = new Turn({ assignment: script, name: 'turn', work: work ?? slowWork, notify });
  const ended = turn.run(stop.signal).then(
    () => 'quietly',
    (error: unknown) => error,
  );
  return { script, seen, stop, ended };
}

async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

test('whoever is alone works from the start, and says nothing', async () => {
  const { script, seen, stop, ended } = setUp();
  script.give(0);
  await settled();
  expect(seen).toEqual(['begins']);
  stop.abort();
  expect(await ended).toBe('quietly');
  expect(seen).toEqual(['begins', 'ends']);
});

test('who has no turn stands by, says so once, and goes on when it comes', async () => {
  const { script, seen, stop, ended } = setUp();
  script.give();
  script.give();
  await settled();
  expect(seen).toEqual([STANDS_BY]);
  script.give(0);
  await settled();
  expect(seen).toEqual([STANDS_BY, GOES_ON, 'begins']);
  stop.abort();
  expect(await ended).toBe('quietly');
});

test('a turn that is lost and comes back at once is begun when the work before has ended', async () => {
  const { script, seen, stop, ended } = setUp();
  script.give(0);
  await settled();
  script.give();
  script.give(0);
  await settled();
  expect(seen).toEqual(['begins', STANDS_BY, GOES_ON, 'ends', 'begins']);
  // Lost and back and lost again before anything could begin: nothing does.
  script.give();
  script.give(0);
  script.give();
  await settled();
  expect(seen.slice(5)).toEqual([STANDS_BY, GOES_ON, STANDS_BY, 'ends']);
  stop.abort();
  expect(await ended).toBe('quietly');
});

test('what the work throws ends it, and so does an assignment that cannot be had', async () => {
  const failed = setUp(() => Promise.reject(new Error('broken')));
  failed.script.give(0);
  expect(await failed.ended).toMatchObject({ message: 'broken' });
  const refused = setUp();
  refused.script.fail(new Error('no group'));
  expect(await refused.ended).toMatchObject({ message: 'no group' });
});
