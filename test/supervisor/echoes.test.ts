import { expect, test } from '@jest/globals';
import { Echoes } from '../../src/supervisor/echoes.ts';
import type { Exit, Service } from '../../src/supervisor/service.ts';

const ENGINE: Service = { name: 'engine', args: [], canFinish: false };
const UNREACHABLE: Exit = { code: 4, signal: null };
const FULL = 'broker.db: the disk is full';

/** Roles whose ends the test decides. */
function setUp(): { echoes: Echoes; pass: (line: string, role?: string) => string | undefined } & {
  start: (role?: string) => void;
  end: (exit: Exit) => Promise<void>;
  later: (ms: number) => void;
} {
  let nowMs = 0;
  const echoes = new Echoes({ monotonicMs: () => nowMs });
  let endLast: (exit: Exit) => void = () => undefined;
  const start = echoes.following(() => ({
    pid: 1,
    exited: new Promise<Exit>((resolve) => (endLast = resolve)),
    kill: () => undefined,
  }));
  return {
    echoes,
    pass: (line, role = 'engine') => echoes.pass(role, line),
    start: (role = 'engine') => void start({ ...ENGINE, name: role }),
    end: async (exit) => {
      endLast(exit);
      await Promise.resolve();
    },
    later: (ms) => (nowMs += ms),
  };
}

test('a role that is started again because something is away says it once', async () => {
  const { pass, start, end, later } = setUp();
  start();
  expect(pass(FULL)).toBe(FULL);
  for (let attempt = 0; attempt < 5; attempt++) {
    await end(UNREACHABLE);
    start();
    later(60_000);
    expect(pass(FULL)).toBe(undefined);
  }
  expect(pass('something else')).toBe('something else');
});

test('what the last process writes after its end was seen is still its own', async () => {
  const { pass, start, end } = setUp();
  start();
  await end(UNREACHABLE);
  expect(pass(FULL)).toBe(FULL);
  start();
  expect(pass(FULL)).toBe(undefined);
});

test('what one process says twice, and what a crashed one says again, is said', async () => {
  const { pass, start, end } = setUp();
  start();
  expect([pass(FULL), pass(FULL)]).toEqual([FULL, FULL]);
  await end({ code: null, signal: 'SIGKILL' });
  start();
  expect(pass(FULL)).toBe(FULL);
});

test('a trouble that is over is new when it comes again, and roles do not speak for each other', async () => {
  const { pass, start, end } = setUp();
  start();
  pass(FULL);
  start('sink');
  expect(pass(FULL, 'sink')).toBe(FULL);
  await end(UNREACHABLE);
  start('sink');
  await end({ code: 1, signal: null });
  start('sink');
  expect(pass(FULL, 'sink')).toBe(FULL);
});

test('what lasts is said again every ten minutes, with how often it was heard', async () => {
  const { pass, start, end, later } = setUp();
  start();
  pass(FULL);
  const said: (string | undefined)[] = [];
  for (let attempt = 0; attempt < 21; attempt++) {
    await end(UNREACHABLE);
    start();
    later(60_000);
    said.push(pass(FULL));
  }
  expect(said.filter((line) => line !== undefined)).toEqual([
    `${FULL} (heard 10 times more since it was last said)`,
    `${FULL} (heard 10 times more since it was last said)`,
  ]);
});
