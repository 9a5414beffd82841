import { expect, test } from '@jest/globals';
import type { Clock } from '../../src/lib/clock.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { RESTART_DEFAULTS, type RestartOptions } from '../../src/supervisor/restart-strategy.ts';
import type { Exit, Service, ServiceProcess } from '../../src/supervisor/service.ts';
import { Supervisor, supervisorText } from '../../src/supervisor/supervisor.ts';

/** A process of the test: it ends when the test says so, or, if it obeys, at SIGTERM. */
class FakeProcess implements ServiceProcess {
  static nextPid = 1;
  readonly pid = FakeProcess.nextPid++;
  readonly service: string;
  readonly signals: string[] = [];
  readonly exited: Promise<Exit>;
  isAlive = true;
  readonly #obeys: boolean;
  #resolve: (exit: Exit) => void = () => undefined;

  constructor(service: string, obeys: boolean) {
    this.service = service;
    this.#obeys = obeys;
    this.exited = new Promise((resolve) => (this.#resolve = resolve));
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.signals.push(signal);
    if (signal === 'SIGKILL') this.end({ code: null, signal });
    else if (this.#obeys) this.end({ code: 0, signal: null });
  }

  end(exit: Exit): void {
    this.isAlive = false;
    this.#resolve(exit);
  }
}

/** Time that passes when the test says so. */
class FakeClock implements Clock {
  #nowMs = 0;
  #sleepers: { atMs: number; wake: () => void }[] = [];
  nowMs = (): number => this.#nowMs;
  monotonicMs = (): number => this.#nowMs;

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      signal?.addEventListener('abort', () => resolve(), { once: true });
      this.#sleepers.push({ atMs: this.#nowMs + ms, wake: resolve });
    });
  }

  async pass(ms: number): Promise<void> {
    this.#nowMs += ms;
    const due = this.#sleepers.filter(({ atMs }) => atMs <= this.#nowMs);
    this.#sleepers = this.#sleepers.filter(({ atMs }) => atMs > this.#nowMs);
    for (const { wake } of due) wake();
    await settled();
  }
}

/** Lets every promise that can settle do so. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

function setUp(obeys = true): {
  supervisor: Supervisor;
  clock: FakeClock;
  started: FakeProcess[];
  lines: string[];
} {
  const clock = new FakeClock();
  const started: FakeProcess[] = [];
  const lines: string[] = [];
  const start = ({ name }: Service): ServiceProcess => {
    expect(started.filter((one) => one.service === name && one.isAlive)).toEqual([]);
    const process = new FakeProcess(name, obeys);
    started.push(process);
    return process;
  };
  const options = { restart: RESTART_DEFAULTS, drainMs: 10_000 };
  return {
    supervisor: new Supervisor(
      { clock, random: seededRandom(1), start, notify: (event) => lines.push(supervisorText(event)) },
      options,
    ),
    clock,
    started,
    lines,
  };
}

const ENGINE: Service = { name: 'engine', args: ['engine'], canFinish: false };
const AGENT: Service = { name: 'agent', args: ['agent', '--once'], canFinish: true };

test('a killed role is started again within 200 ms, and only when the old process is gone', async () => {
  const { supervisor, clock, started, lines } = setUp();
  const ended = supervisor.run(ENGINE);
  await settled();
  expect(started).toHaveLength(1);
  expect(supervisor.pidOf('engine')).toBe(started[0]!.pid);
  started[0]!.end({ code: null, signal: 'SIGKILL' });
  await settled();
  expect(supervisor.pidOf('engine')).toBeUndefined();
  await clock.pass(200);
  expect(started).toHaveLength(2);
  expect(lines).toEqual(['engine ended (signal SIGKILL): starting it again in 100 ms']);
  await supervisor.stop(0);
  await ended;
});

test('the work of one process says nothing of the next', async () => {
  const { supervisor, clock, started, lines } = setUp();
  const ended = supervisor.run(ENGINE);
  await settled();
  for (const [i, works] of [true, true, false].entries()) {
    if (works) supervisor.noteWork('engine');
    started[i]!.end({ code: null, signal: 'SIGKILL' });
    await settled();
    await clock.pass(2_000);
  }
  expect(lines.map((line) => / in (\d+) ms/.exec(line)![1])).toEqual([
    '100',
    '100',
    expect.stringMatching(/^\d{3,4}$/),
  ]);
  expect(Number(/ in (\d+) ms/.exec(lines[2]!)![1])).toBeGreaterThan(800);
  await supervisor.stop(0);
  await ended;
});

test('a role that may finish ends its service and leaves the others running', async () => {
  const { supervisor, started } = setUp();
  const agent = supervisor.run(AGENT);
  const engine = supervisor.run(ENGINE);
  await settled();
  started[0]!.end({ code: 0, signal: null });
  await agent;
  expect(started[1]!.isAlive).toBe(true);
  await supervisor.stop(0);
  await engine;
});

test('stopping drains by SIGTERM, and kills what has not ended in time', async () => {
  const { supervisor, clock, started, lines } = setUp(false);
  const ended = supervisor.run(ENGINE);
  await settled();
  const stopping = supervisor.stop(143);
  await clock.pass(9_999);
  expect(started[0]!.signals).toEqual(['SIGTERM']);
  await clock.pass(1);
  await stopping;
  await ended;
  expect(started[0]!.signals).toEqual(['SIGTERM', 'SIGKILL']);
  expect(lines).toEqual(['engine did not end within 10000 ms: killing it']);
  expect(supervisor.exitCode).toBe(143);
  expect(started).toHaveLength(1);
});

test('stopping does not wait for a pause between two starts', async () => {
  const { supervisor, started } = setUp();
  const ended = supervisor.run(ENGINE);
  await settled();
  started[0]!.end({ code: 1, signal: null });
  await settled();
  await supervisor.stop(0);
  await ended;
  expect(started).toHaveLength(1);
});

test('a role with a wrong configuration stops everything, with its exit code', async () => {
  const { supervisor, started, lines } = setUp();
  const all = [supervisor.run(ENGINE), supervisor.run(AGENT)];
  await settled();
  started[0]!.end({ code: 3, signal: null });
  await Promise.all(all);
  expect(supervisor.exitCode).toBe(3);
  expect(supervisor.stopped.aborted).toBe(true);
  expect(started[1]!.signals).toEqual(['SIGTERM']);
  expect(lines).toEqual(['engine ended (exit code 3: a restart would not help): stopping everything']);
});

test('one service can be ended alone', async () => {
  const { supervisor, started } = setUp();
  const agent = supervisor.run(AGENT);
  const engine = supervisor.run(ENGINE);
  await settled();
  await supervisor.stopService('agent');
  await agent;
  expect(started.map(({ service, isAlive }) => [service, isAlive])).toEqual([
    ['agent', false],
    ['engine', true],
  ]);
  await supervisor.stop(0);
  await engine;
});

test('a machine that cannot start a process is tried again', async () => {
  const clock = new FakeClock();
  let attempts = 0;
  const start = (): ServiceProcess => {
    attempts++;
    throw new Error('EAGAIN');
  };
  const lines: string[] = [];
  const options = { restart: { ...RESTART_DEFAULTS, attemptsMax: 1 } as RestartOptions, drainMs: 1 };
  const supervisor = new Supervisor(
    { clock, random: seededRandom(1), start, notify: (event) => lines.push(supervisorText(event)) },
    options,
  );
  const ended = supervisor.run(ENGINE);
  await settled();
  await clock.pass(100);
  await ended;
  expect(attempts).toBe(2);
  expect(supervisor.exitCode).toBe(1);
  expect(lines[0]).toBe('engine cannot be started: EAGAIN');
});
