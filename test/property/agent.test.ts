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
import type { Beat } from '../../src/record/beat.ts';
import { sumsEqual } from '../../src/record/line-id.ts';
import { AgentWorld } from '../support/agent-world.ts';
import { APPEND_FATES } from '../support/memory-log.ts';

const [RUNS, TIMEOUT_MS] = process.env['TAILRACE_SOAK'] === '1' ? [3_000, 3_600_000] : [120, 240_000];
/** No two files stay whole with one content for so long: that would be lines that somebody logged twice. */
const COPY_GRACE_MS = 3_600_000;
const FILES = ['a.log', 'b.log', 'c.log'] as const;

/** Fates that end by themselves: `delay_ack` waits for a word that a dead process never gets. */
const FATES = APPEND_FATES.filter((fate) => fate !== 'delay_ack');

type Step =
  | { readonly do: 'append'; readonly file: number; readonly lines: number; readonly isPartial: boolean }
  | { readonly do: 'rotate' | 'truncate' | 'delete' | 'copy' | 'copy_aside' | 'move_aside'; readonly file: number }
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
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('copy' as const, 'truncate' as const, 'copy_aside' as const, 'move_aside' as const),
      file,
    }),
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
  readonly world = new AgentWorld({ partitions: 2, copyGraceMs: COPY_GRACE_MS, limits: { missingMs: 3_000 } }, true);
  #written = 0;
  #rotations = 0;
  #backup: string | undefined;
  /** Lines that were whole in a file when everything had come to rest: they may never be lost. */
  readonly owed = new Set<string>();
  /** Copies whose original is still whole, by the path it has now. */
  readonly #copied = new Set<string>();

  async run(steps: readonly Step[]): Promise<void> {
    this.world.start();
    for (const each of steps) await this.#do(each);
    await this.quiesce();
  }

  /** Heals everything, lets the agent finish, and checks what a reader has. */
  async quiesce(): Promise<void> {
    const { world } = this;
    // Every copytruncate comes to its end.
    for (const name of this.#copied) this.#truncate(name);
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
    expect(doubledBytes(accepted)).toBeLessThanOrEqual(saidBytes(beats));
    for (const name of readdirSync(this.world.files)) {
      // What nobody looks at nobody owes.
      if (name.startsWith('.')) continue;
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
        return this.#rotate(FILES[each.file]!);
      case 'truncate':
        return this.#truncate(FILES[each.file]!);
      case 'delete':
        this.#copied.delete(FILES[each.file]!);
        return rmSync(world.path(FILES[each.file]!), { force: true });
      case 'copy':
        return this.#copy(FILES[each.file]!);
      case 'copy_aside':
        return this.#copyAside(FILES[each.file]!);
      case 'move_aside':
        return this.#moveAside(FILES[each.file]!);
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

  #rotate(name: string): void {
    if (!existsSync(this.world.path(name))) return;
    const rotated = `${name}.${++this.#rotations}`;
    renameSync(this.world.path(name), this.world.path(rotated));
    if (this.#copied.delete(name)) this.#copied.add(rotated);
  }

  #truncate(name: string): void {
    this.#copied.delete(name);
    if (existsSync(this.world.path(name))) truncateSync(this.world.path(name));
  }

  /** The first half of copytruncate. */
  #copy(name: string): void {
    if (!existsSync(this.world.path(name)) || this.#copied.has(name)) return;
    copyFileSync(this.world.path(name), this.world.path(`${name}.${++this.#rotations}`));
    this.#copied.add(name);
  }

  /** The first half of what sed -i, rsync and a restore from a backup do, out of sight. */
  #copyAside(name: string): void {
    if (existsSync(this.world.path(name)) && !this.#copied.has(name))
      copyFileSync(this.world.path(name), this.world.path(`.${name}`));
  }

  #moveAside(name: string): void {
    if (!existsSync(this.world.path(`.${name}`)) || this.#copied.has(name)) return;
    // What is taken back has not been renamed, truncated or deleted in the meantime: else it would come twice.
    if (!this.#isStart(`.${name}`, name)) return rmSync(this.world.path(`.${name}`));
    renameSync(this.world.path(`.${name}`), this.world.path(name));
  }

  #isStart(part: string, whole: string): boolean {
    if (!existsSync(this.world.path(whole))) return false;
    const start = readFileSync(this.world.path(part));
    return start.equals(readFileSync(this.world.path(whole)).subarray(0, start.length));
  }

  #append(name: string, lines: number, isPartial: boolean): void {
    let text = '';
    for (let i = 0; i < lines; i++)
      text += `line ${++this.#written} of ${name} ${'.'.repeat((this.#written * 37) % 90)}\n`;
    appendFileSync(this.world.path(name), isPartial ? text.slice(0, -1 - (lines % 3)) : text);
  }
}

/** Bytes of lines that are there once more than they were written. */
function doubledBytes(lines: readonly string[]): number {
  const seen = new Set<string>();
  let bytes = 0;
  for (const line of lines) {
    if (seen.has(line)) bytes += line.length + 1;
    seen.add(line);
  }
  return bytes;
}

/** What an agent that died before it wrote down what it had read could not tell apart: it says so of each source. */
function saidBytes(beats: readonly Beat[]): number {
  const bySource = new Map<string, number>();
  for (const { agent, sources } of beats) {
    for (const { number, possibleDoubleBytes = 0 } of sources) bySource.set(`${agent}/${number}`, possibleDoubleBytes);
  }
  return [...bySource.values()].reduce((sum, bytes) => sum + bytes, 0);
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

test(
  'whatever happens to files, log, registry and process, a reader has each line once',
  async () => {
    await fc.assert(fc.asyncProperty(steps, holds), {
      numRuns: RUNS,
      seed: 20_261_123,
    });
  },
  TIMEOUT_MS,
);

test.each(['agent.register_before_ack', 'agent.copy_is_new'] as const)('the suite sees %s', async (mutant) => {
  setMutant(mutant);
  const check = fc.check(fc.asyncProperty(steps, holds), {
    numRuns: RUNS,
    seed: 20_261_123,
    endOnFailure: true,
  });
  expect((await check).failed).toBe(true);
});
