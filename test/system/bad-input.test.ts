import { describe, expect, test } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT } from '../../src/lib/errors.ts';
import { AccessLoad } from '../support/access-load.ts';
import { type Appliance, ROLLUPS, endOf, withAppliance } from '../support/appliance.ts';
import { decidedTo, logEnds, storedTo, withLog } from '../support/log-probe.ts';
import { Warehouse } from '../support/row-oracle.ts';
import { type Ended, tailrace, until } from '../support/tailrace-process.ts';

const LINES = 30_000;

function writeLines(appliance: Appliance, lines = LINES): void {
  writeFileSync(appliance.log('access.log'), new AccessLoad({ seed: 41 }).lines(lines));
}

test('a block damaged in the log is refused, missed by the audit, and healed by sending it again', () =>
  withAppliance({ retain: '7d' }, async (appliance) => {
    writeLines(appliance);
    expect((await endOf(appliance.start(['agent', '--once', '-c', appliance.config]))).code).toBe(0);
    withLog(appliance.dataDir, {}, (database) => {
      const [, block] = database.prepare('SELECT id, value FROM messages WHERE kind = 1 ORDER BY id').all();
      const value = Buffer.from(block!['value'] as Uint8Array);
      for (let at = 100; at < 116; at++) value[at] = value[at]! ^ 0xff;
      database.prepare('UPDATE messages SET value = ? WHERE id = ?').run(value, block!['id']!);
    });
    const engine = appliance.role('engine');
    const sink = appliance.role('sink');
    const { dataDir } = appliance;
    const isStored = (): boolean =>
      decidedTo(dataDir) >= logEnds(dataDir).raw.end && storedTo(dataDir) >= logEnds(dataDir).epochs.end;
    await until(isStored, 120_000, () => `${engine.stderr} ${sink.stderr}`);
    expect(engine.stderr).toMatch(/ALARM access\/0: a block of .* was refused \(damaged\)/);
    await appliance.stop();

    const { code, result } = await appliance.audit();
    expect(code).toBe(EXIT.badData);
    expect(result.lost).toBeGreaterThan(1000);
    expect(result.notes.join('\n')).toMatch(/1 messages refused: damaged/);
    const id = /tailrace agent resend (\S+)/.exec(result.differences.join('\n'))?.[1];
    const resent = await tailrace(['agent', 'resend', id!, '-c', appliance.config], { cwd: appliance.folder });
    expect({ code: resent.code, stderr: resent.stderr }).toEqual({ code: 0, stderr: '' });
    expect(await appliance.drain()).toMatchObject({ sent: LINES, lost: 0, doubled: 0, isBalanced: true });
  }));

/** After a run of its own, what `spoil` did to the data_dir must end the next run with one clear line. */
function refuses(what: string, spoil: (appliance: Appliance) => Promise<void> | void, message: RegExp): void {
  test(what, () =>
    withAppliance({}, async (appliance) => {
      writeLines(appliance, 100);
      await appliance.drain();
      await spoil(appliance);
      const ended = await appliance.once();
      const said = linesOfErrors(ended);
      expect({ code: ended.code, said }).toEqual({ code: EXIT.config, said: [expect.stringMatching(message)] });
    }),
  );
}

/** What a run said of an error, without what the supervisor says of its roles. */
function linesOfErrors({ stderr }: Ended): string[] {
  return stderr.split('\n').filter((line) => line !== '' && !/ended \(|state restored|lines, .* lines\/s/.test(line));
}

describe('a data_dir of a newer version is one clear line', () => {
  refuses(
    'registry',
    ({ dataDir }) => {
      const path = join(dataDir, 'agent-registry.json');
      const registry = JSON.parse(readFileSync(path, 'utf8')) as object;
      writeFileSync(path, JSON.stringify({ ...registry, version: 99 }));
    },
    /agent: .*agent-registry\.json.* version 99.*\(run the newer tailrace that wrote it\)$/,
  );
  refuses(
    'log',
    ({ dataDir }) => withLog(dataDir, {}, (database) => database.exec('PRAGMA user_version = 99')),
    /broker\.db has format version 99, this program reads up to 1 \(run the newer tailrace that wrote it\)$/,
  );
  refuses(
    'warehouse',
    async ({ dataDir }) => {
      const warehouse = await Warehouse.open(join(dataDir, 'warehouse.duckdb'), 'READ_WRITE');
      await warehouse.run(`UPDATE tailrace.meta SET value = '99' WHERE key = 'format_version'`);
      warehouse.close();
    },
    /sink warehouse: .*warehouse\.duckdb has format version 99, .*\(run the newer tailrace that wrote it\)$/,
  );
});

refuses(
  'a rollup that changed under its name is refused, with the way out',
  (appliance) => appliance.configure({ rollups: ROLLUPS.replace('size: 1m', 'size: 5m') }),
  /engine: rollup traffic has another definition .*\(give the changed rollup another name, such as traffic_2, or restore the definition; a log without a configuration goes in another --data-dir\)$/,
);

test('a rollup that is added, and one that is taken away, are no trouble', () =>
  withAppliance({}, async (appliance) => {
    const load = new AccessLoad({ seed: 41 });
    writeFileSync(appliance.log('access.log'), load.lines(1000));
    await appliance.drain();
    const added = ROLLUPS.replace(/ {2}clients:.*\n?.*$/s, '').concat(
      '\n  methods: { from: access, by: [http.request.method], window: { type: tumbling, size: 1m }, measures: { requests: count } }',
    );
    appliance.configure({ rollups: added });
    writeFileSync(appliance.log('access.log'), load.lines(1000), { flag: 'a' });
    expect(await appliance.drain()).toMatchObject({ sent: 2000, lost: 0, doubled: 0, isBalanced: true });
  }));
