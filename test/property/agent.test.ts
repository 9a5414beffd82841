import { afterEach, expect, test } from '@jest/globals';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { registryPath } from '../../src/agent/registry.ts';
import { setFaultHandler } from '../../src/lib/fault-point.ts';
import { setMutant } from '../../src/lib/mutant.ts';
import { sumsEqual } from '../../src/record/line-id.ts';
import { AgentWorld } from '../support/agent-world.ts';
import { APPEND_FATES } from '../support/memory-log.ts';

const RUNS = process.env['TAILRACE_SOAK'] === '1' ? 3_000 : 120;
const FILES = ['a.log', 'b.log', 'c.log'] as const;

/** Fates that end by themselves: `delay_ack` waits for a word that a dead process never gets. */
const FATES = APPEND_FATES.filter((fate) => fate !== 'delay_ack');

type Step =
  | { readonly do: 'append'; readonly file: number; readonly lines: number; readonly isPartial: boolean }
  | { readonly do: 'rotate' | 'truncate' | 'delete'; readonly file: number }
  | { readonly do: 'pass'; readonly ms: number }
  | {
      readonly do:
        | 'quiesce'
        | 'kill'
        | 'stop'
        | 'start'
        | 'lose_registry'
        | 'save_registry'
        | 'roll_back_registry'
        | 'deliver'
        | 'fill_disk'
        | 'free_disk';
    }
  | { readonly do: 'kill_at'; readonly point: string; readonly passes: number }
  | { readonly do: 'fates'; readonly fates: readonly (typeof FATES)[number][] };

const file = fc.nat(FILES.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      file,
      lines: fc.integer({ min: 1, max: 9 }),
      isPartial: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('rotate' as const, 'truncate' as const, 'delete' as const), file }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 3_000 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom(
        ...(['quiesce', 'kill', 'stop', 'start', 'start', 'fill_disk', 'free_disk', 'deliver'] as const),
        ...(['lose_registry', 'save_registry', 'roll_back_registry'] as const),
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('kill_at' as const),
      point: fc.constantFrom('agent.read', 'agent.sent', 'agent.acked', 'agent.registered'),
      passes: fc.nat(4),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('fates' as const),
      fates: fc.array(fc.constantFrom(...FATES), { maxLength: 6 }),
    }),
  },
) as fc.Arbitrary<Step>;

const steps = fc.array(step, { minLength: 10, maxLength: 50, size: 'max' });

/** Every line is written once in the world's life, so each that a reader accepts must be there once, and in the order of its file. */
class Model {
  readonly world = new AgentWorld({ partitions: 2, limits: { missingMs: 3_000 } }, true);
  #written = 0;
  #rotations = 0;
  #backup: string | undefined;
  /** Lines that were whole in a file when everything had come to rest: they may never be lost. */
  readonly owed = new Set<string>();

  async run(steps: readonly Step[]): Promise<void> {
    this.world.start();
    for (const each of steps) await this.#do(each);
    await this.quiesce();
  }

  /** Heals everything, lets the agent finish, and checks what a reader has. */
  async quiesce(): Promise<void> {
    const { world } = this;
    setFaultHandler(undefined);
    world.fates = [];
    world.store.diskMaxBytes = Infinity;
    world.store.deliverDelayed();
    await world.kill();
    world.start();
    await world.pass(15_000);
    await this.#check();
  }

  async #check(): Promise<void> {
    const { sources, beats, refused } = await this.world.read();
    expect(refused).toEqual([]);
    const accepted = [...sources.values()].flatMap((source) => linesOf(source.bytes.toString('latin1')));
    expect(accepted.length).toBe(new Set(accepted).size);
    for (const name of readdirSync(this.world.files)) {
      for (const line of wholeLinesOf(readFileSync(this.world.path(name), 'latin1'))) this.owed.add(line);
    }
    const has = new Set(accepted);
    expect([...this.owed].filter((line) => !has.has(line))).toEqual([]);
    for (const source of sources.values()) {
      const numbers = linesOf(source.bytes.toString('latin1')).map((line) => Number(line.split(' ')[1]));
      expect(numbers).toEqual([...numbers].sort((left, right) => left - right));
    }
    for (const beat of beats) {
      for (const report of beat.sources) {
        // A beat that came late, after its registry was lost, may speak of sources that no reader took up.
        const source = sources.get(`${beat.agent}/${report.number}`);
        if (report.state !== 'closed' || report.sum === undefined || report.position !== source?.position) continue;
        expect(sumsEqual(report.sum, source.sum)).toBe(true);
      }
    }
  }

  async #do(each: Step): Promise<void> {
    const { world } = this;
    const registry = registryPath(world.dataDir);
    switch (each.do) {
      case 'append':
        return this.#append(FILES[each.file]!, each.lines, each.isPartial);
      case 'rotate':
        if (existsSync(world.path(FILES[each.file]!))) {
          renameSync(world.path(FILES[each.file]!), world.path(`${FILES[each.file]!}.${++this.#rotations}`));
        }
        return;
      case 'truncate':
        if (existsSync(world.path(FILES[each.file]!))) truncateSync(world.path(FILES[each.file]!));
        return;
      case 'delete':
        return rmSync(world.path(FILES[each.file]!), { force: true });
      case 'pass':
        return world.pass(each.ms);
      case 'quiesce':
        return this.quiesce();
      case 'kill':
        return world.kill();
      case 'stop':
        world.store.deliverDelayed();
        return world.stop().catch(ignoreKilled);
      case 'start':
        if (!world.isRunning) world.start();
        return;
      case 'save_registry':
        this.#backup = join(world.folder, 'backup.json');
        if (existsSync(registry)) copyFileSync(registry, this.#backup);
        return;
      case 'lose_registry':
      case 'roll_back_registry':
        await world.kill();
        // An old copy of the registry knows nothing of announcements that are still on their way.
        if (each.do === 'roll_back_registry') world.store.deliverDelayed();
        rmSync(registry, { force: true });
        if (each.do === 'roll_back_registry' && this.#backup !== undefined && existsSync(this.#backup))
          copyFileSync(this.#backup, registry);
        return world.start();
      case 'deliver':
        return void world.store.deliverDelayed();
      case 'kill_at': {
        let passes = each.passes;
        setFaultHandler((name) => {
          if (name === each.point && passes-- === 0) throw new TypeError('killed');
        });
        return;
      }
      case 'fill_disk':
      case 'free_disk':
        world.store.diskMaxBytes = each.do === 'fill_disk' ? 0 : Infinity;
        return;
      case 'fates':
        world.fates = [...each.fates];
    }
  }

  #append(name: string, lines: number, isPartial: boolean): void {
    let text = '';
    for (let i = 0; i < lines; i++)
      text += `line ${++this.#written} of ${name} ${'.'.repeat((this.#written * 37) % 90)}\n`;
    appendFileSync(this.world.path(name), isPartial ? text.slice(0, -1 - (lines % 3)) : text);
  }
}

function wholeLinesOf(text: string): string[] {
  return text.split('\n').slice(0, -1);
}

function linesOf(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

function ignoreKilled(error: unknown): void {
  if (!(error instanceof TypeError && error.message === 'killed')) throw error;
}

async function holds(steps: readonly Step[]): Promise<void> {
  const model = new Model();
  try {
    await model.run(steps);
  } finally {
    setFaultHandler(undefined);
    await model.world.close();
  }
}

afterEach(() => setMutant(undefined));

test('whatever happens to files, log, registry and process, a reader has each line once', async () => {
  await fc.assert(fc.asyncProperty(steps, holds), {
    numRuns: RUNS,
    seed: 20_261_123,
  });
});

test('the suite sees an agent that registers what is not acknowledged', async () => {
  setMutant('agent.register_before_ack');
  const check = fc.check(fc.asyncProperty(steps, holds), {
    numRuns: RUNS,
    seed: 20_261_123,
    endOnFailure: true,
  });
  expect((await check).failed).toBe(true);
});
