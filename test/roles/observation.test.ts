import { expect, test } from '@jest/globals';
import { METRICS } from '../../src/metrics/catalogue.ts';
import { Meter } from '../../src/metrics/meter.ts';
import { Observation } from '../../src/roles/observation.ts';
import { EXIT } from '../../src/lib/errors.ts';
import { ManualClock } from '../support/manual-clock.ts';

function world(): { clock: ManualClock; seen: Observation } {
  const clock = new ManualClock();
  return { clock, seen: new Observation({ clock, pipeline: 'web', version: '1.2.3' }) };
}

const AGENT_LINES = new Meter();
AGENT_LINES.set(METRICS.agentLines, {}, 7);

test('ready is who has said what it measures, and lately', async () => {
  const { clock, seen } = world();
  expect(seen.notReady()).toEqual(['no role has started yet']);
  seen.started('agent', 10);
  seen.started('engine', 11);
  seen.measured('agent', []);
  expect(seen.notReady()).toEqual(['engine is starting']);
  seen.measured('engine', []);
  expect(seen.notReady()).toEqual([]);
  seen.exited('engine', { code: null, signal: 'SIGKILL' });
  expect(seen.notReady()).toEqual(['engine ended (signal SIGKILL) and is started again']);
  seen.started('engine', 12);
  seen.measured('engine', []);
  await clock.advance(8000);
  seen.measured('engine', []);
  await clock.advance(4000);
  expect(seen.notReady()).toEqual(['agent has said nothing for 12 s']);
  seen.measured('agent', []);
  seen.happened({ type: 'stopping' });
  expect(seen.notReady()).toEqual(['the run is stopping']);
});

test('what an ended process measured is gone with it; its restarts are counted by reason', async () => {
  const { seen } = world();
  seen.started('agent', 10);
  seen.measured('agent', await AGENT_LINES.read());
  expect(await seen.metricsText()).toContain('tailrace_agent_lines_total{process="agent"} 7\n');
  const exits = [
    { code: null, signal: 'SIGKILL' },
    { code: EXIT.failed, signal: null },
    { code: EXIT.unreachable, signal: null },
  ];
  for (const exit of exits) {
    seen.exited('agent', exit);
    seen.started('agent', 11);
  }
  // A last word of the process before is not of this one.
  seen.exited('agent', { code: EXIT.failed, signal: null });
  seen.measured('agent', await AGENT_LINES.read());
  const text = await seen.metricsText();
  expect(text).not.toContain('tailrace_agent_lines_total');
  for (const [reason, restarts] of [
    ['killed', 1],
    ['crash', 2],
    ['outside', 1],
  ])
    expect(text).toContain(`tailrace_restarts_total{role="agent",reason="${reason}",process="run"} ${restarts}\n`);
  expect(text).toContain('tailrace_role_up{role="agent",process="run"} 0\n');
  expect((await seen.status()).roles).toMatchObject([
    { name: 'agent', state: 'restarting', pid: null, restarts: 3, lastExit: 'exit code 1' },
  ]);
});

test('checkpoints that failed are counted on when the process that failed is gone', async () => {
  const { seen } = world();
  const task = { pipeline: 'web', stream: 'access', partition: 0 };
  for (let life = 1; life <= 2; life++) {
    const meter = new Meter();
    meter.add(METRICS.checkpointAttempts, { ...task, outcome: 'ok' }, 9);
    meter.add(METRICS.checkpointAttempts, { ...task, outcome: 'failed' }, 1);
    seen.started('engine', life);
    seen.measured('engine', await meter.read());
    const labels = 'pipeline="web",stream="access",partition="0"';
    const kept = `tailrace_checkpoint_attempts_total{${labels},outcome="failed",process="run"}`;
    expect(await seen.metricsText()).toContain(`${kept} ${life - 1}\n`);
    seen.exited('engine', { code: EXIT.failed, signal: null });
    const text = await seen.metricsText();
    expect(text).toContain(`${kept} ${life}\n`);
    expect(text).not.toContain('process="engine"');
  }
});

test('the last 500 events, each as a person reads it', async () => {
  const { seen } = world();
  for (let n = 0; n < 600; n++) seen.happened({ type: 'role_line', role: 'engine', line: `word ${n}\u0007` });
  const { events, version, pipeline } = await seen.status();
  expect(events).toHaveLength(500);
  expect(events.at(-1)).toMatchObject({ type: 'role_line', role: 'engine', text: 'engine: word 599\\x07' });
  expect([version, pipeline]).toEqual(['1.2.3', 'web']);
});
