import { expect, test } from '@jest/globals';
import { OperatingError } from '../../../src/lib/errors.ts';
import { type Lane, QueryTurns, type Turn } from '../../../src/sinks/duckdb/query-turns.ts';

/** Turns by name, and who has begun. */
class World {
  readonly turns = new QueryTurns();
  readonly begun: string[] = [];
  readonly refused: string[] = [];
  readonly #named = new Map<string, { readonly turn: Turn; readonly gone: AbortController }>();

  async ask(name: string, lane: Lane = 'people', isAlone = false): Promise<void> {
    const turn = { lane, isAlone };
    const gone = new AbortController();
    this.#named.set(name, { turn, gone });
    const waits = this.turns.enter(turn, gone.signal).then(
      () => void this.begun.push(name),
      (error: OperatingError) => void this.refused.push(`${name} ${error.code}`),
    );
    await Promise.race([waits, settled()]);
  }

  async end(name: string): Promise<void> {
    this.turns.leave(this.#named.get(name)!.turn);
    await settled();
  }

  async goAway(name: string): Promise<void> {
    this.#named.get(name)!.gone.abort(new OperatingError('gone', { code: 'GONE' }));
    await settled();
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('two run, sixteen wait in order, and the next is turned away', async () => {
  const world = new World();
  for (let i = 0; i < 19; i++) await world.ask(`${i}`);
  expect([world.begun, world.refused]).toEqual([['0', '1'], ['18 SQL_BUSY']]);
  await world.end('1');
  await world.end('0');
  expect(world.begun).toEqual(['0', '1', '2', '3']);
});

test('own questions do not wait behind those of people', async () => {
  const world = new World();
  for (let i = 0; i < 18; i++) await world.ask(`${i}`);
  await world.ask('audit', 'own');
  await world.ask('status', 'own');
  expect(world.begun).toEqual(['0', '1', 'audit']);
  await world.end('audit');
  expect(world.begun.at(-1)).toBe('status');
});

test('who goes away is asked no more, and nobody waits behind it', async () => {
  const world = new World();
  await world.ask('a');
  await world.ask('alone', 'people', true);
  await world.ask('b');
  expect(world.begun).toEqual(['a']);
  await world.goAway('alone');
  expect([world.begun, world.refused]).toEqual([['a', 'b'], ['alone GONE']]);
});

test('a suspect runs when nothing else does, and nothing beside it', async () => {
  const world = new World();
  await world.ask('a');
  await world.ask('suspect', 'people', true);
  expect(world.begun).toEqual(['a']);
  await world.end('a');
  await world.ask('b');
  await world.ask('audit', 'own');
  expect(world.begun).toEqual(['a', 'suspect']);
  await world.end('suspect');
  expect(world.begun).toEqual(['a', 'suspect', 'audit', 'b']);
});

test('while it is held nothing begins, and what waits can be refused', async () => {
  const world = new World();
  const release = world.turns.hold();
  await world.ask('a');
  expect(world.begun).toEqual([]);
  release();
  await settled();
  expect(world.begun).toEqual(['a']);
  world.turns.hold();
  await world.ask('b');
  world.turns.refuseAll(new OperatingError('over', { code: 'OVER' }));
  await settled();
  expect(world.refused).toEqual(['b OVER']);
});
