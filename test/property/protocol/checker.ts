import { addLine, addSum, emptySum, type LineSum, sumsEqual } from '../../../src/record/line-id.ts';
import { agentOf, sourceId } from '../../../src/record/source.ts';
import type { ModelStore } from './model-store.ts';
import { Oracle } from './oracle.ts';
import type { World } from './world.ts';

/** Bytes of a file that were declared lost. */
export interface DeclaredRange {
  readonly file: number;
  readonly from: number;
  readonly to: number;
}

/** At the end of a run: each line of each file is in exactly one place, and in the place the raw log says. */
export function check(world: World, store: ModelStore, declared: readonly DeclaredRange[]): void {
  const { tables } = store;
  if (tables.open.size > 0) world.violate(`${tables.open.size} rows are still open`);
  if (world.profile.losesReadRaw) {
    checkTotals(world, store);
    return checkSums(world, store, declared);
  }
  const oracle = new Oracle(world.pipeline);
  for (const message of world.network.rawArchive) oracle.feed(message);
  if (world.profile.isCloned) checkClones(world, store, oracle, declared);
  else checkFiles(world, oracle, declared);
  checkTables(world, store, oracle);
  const hasGap = tables.refusals.some(({ reason }) => reason === 'gap');
  const mayGap = world.profile.losesRaw || world.profile.isPipelined;
  if (!mayGap && hasGap) world.violate('a gap, although raw has lost nothing');
}

/** With two machines under one id, lines are refused; but aloud, and none counts twice. */
function checkClones(world: World, { tables }: ModelStore, oracle: Oracle, declared: readonly DeclaredRange[]): void {
  let missing = 0;
  for (const file of world.files) {
    const offsets = [...file.identities()].flatMap((identity) => oracle.accepted.get(identity) ?? []);
    if (new Set(offsets).size < offsets.length) world.violate(`lines of file ${file.index} counted twice`);
    const ranges = declared.filter((range) => range.file === file.index);
    const lost = file.lines.filter((line) => ranges.some(({ from, to }) => line.offset >= from && line.end <= to));
    missing += file.lines.length - lost.length - offsets.length;
  }
  const isLoud = tables.refusals.some(({ reason }) => reason === 'wrong_identity' || reason === 'forgotten_source');
  if (missing > 0 && !isLoud) world.violate(`${missing} lines are missing, and nothing was refused`);
  if (missing > 0) world.visit('clone refused');
}

/** The tables hold what the oracle made of raw. */
export function checkTables(world: World, store: ModelStore, oracle: Oracle): void {
  const { tables } = store;
  checkTotals(world, store);
  checkRows(world, store, oracle);
  checkIds(world, 'late line', tables.late, oracle.late);
  checkIds(world, 'dead letter', tables.deadLetters, oracle.deadLetters);
  const refusals: Record<string, number> = {};
  for (const { reason } of tables.refusals) refusals[reason] = (refusals[reason] ?? 0) + 1;
  for (const reason of new Set([...Object.keys(refusals), ...Object.keys(oracle.refusals)])) {
    if (refusals[reason] !== oracle.refusals[reason])
      world.violate(`${refusals[reason]} refusals for ${reason}, not ${oracle.refusals[reason]}`);
  }
}

/** The raw log has each line of each file once, under whatever source. */
function checkFiles(world: World, oracle: Oracle, declared: readonly DeclaredRange[]): void {
  for (const file of world.files) {
    const counts = new Map<number, number>();
    for (const identity of file.identities()) {
      for (const offset of oracle.accepted.get(identity) ?? []) counts.set(offset, (counts.get(offset) ?? 0) + 1);
    }
    for (const line of file.lines) {
      const isDeclared = declared.some(
        ({ file: index, from, to }) => index === file.index && line.offset >= from && line.end <= to,
      );
      const count = counts.get(line.offset) ?? 0;
      if (count !== (isDeclared ? 0 : 1))
        world.violate(`line ${line.offset} of file ${file.index} counted ${count} times`);
    }
  }
}

function checkRows(world: World, { tables }: ModelStore, oracle: Oracle): void {
  for (const id of new Set([...tables.final.keys(), ...oracle.rows.keys()])) {
    const row = tables.final.get(id);
    const expected = oracle.rows.get(id);
    if (row === undefined || expected === undefined) {
      world.violate(`row ${id} is ${row === undefined ? 'missing' : 'not expected'}`);
      continue;
    }
    const sum = { lines: row.lines, a: row.sumA, b: row.sumB };
    const accumulators = expected.rollup === 'by_key' ? [expected.total, expected.values, 0] : [];
    if (!sumsEqual(sum, expected.sum))
      world.violate(`row ${id} has ${row.lines} lines, not ${expected.sum.lines}, or others`);
    else if (String(row.accumulators) !== String(accumulators))
      world.violate(`row ${id} holds ${String(row.accumulators)}, not ${String(accumulators)}`);
  }
}

function checkIds<T extends string | number>(
  world: World,
  what: string,
  found: ReadonlyMap<string, T>,
  expected: ReadonlyMap<string, T>,
): void {
  for (const [id, value] of expected)
    if (found.get(id) !== value) world.violate(`${what} ${id} is ${String(found.get(id))}, not ${String(value)}`);
  for (const id of found.keys()) if (!expected.has(id)) world.violate(`${what} ${id} is not expected`);
}

/** The ledger's own equation, and the ledger against the rows and lists. */
function checkTotals(world: World, { tables }: ModelStore): void {
  for (const rollup of Object.keys(world.pipeline.rollups)) {
    const ledger: Record<string, LineSum> = {};
    for (const { consumer, fate, sum } of tables.ledger.values()) {
      if (consumer === rollup) addSum((ledger[fate] ??= emptySum()), sum);
    }
    const stored: Record<string, LineSum> = { rolled_up: emptySum(), late: emptySum(), dead_letter: emptySum() };
    for (const row of [...tables.open.values(), ...tables.final.values()]) {
      if (row.rollup === rollup) addSum(stored['rolled_up']!, { lines: row.lines, a: row.sumA, b: row.sumB });
    }
    for (const id of tables.late.keys())
      if (id.startsWith(`${rollup} `)) addId(stored['late']!, id.slice(rollup.length + 1));
    for (const id of tables.deadLetters.keys()) addId(stored['dead_letter']!, id);
    const out = emptySum();
    for (const [fate, sum] of Object.entries(stored)) {
      addSum(out, sum);
      if (!sumsEqual(sum, ledger[fate] ?? emptySum()))
        world.violate(`${rollup}: the ledger says ${ledger[fate]?.lines} ${fate}, the tables ${sum.lines}`);
    }
    if (!sumsEqual(out, ledger['in'] ?? emptySum()))
      world.violate(`${rollup}: ${ledger['in']?.lines} lines in, ${out.lines} with a fate`);
  }
}

function addId(sum: LineSum, id: string): void {
  const [source, offset] = id.split(' ') as [string, string];
  addLine(sum, source, Number(offset));
}

/** Without the log's word: what came in, agent by agent, is what the files have. */
function checkSums(world: World, { tables }: ModelStore, declared: readonly DeclaredRange[]): void {
  for (const agent of world.registries.keys()) {
    const files = world.files.filter((file) => file.host === agent);
    const expected = emptySum();
    for (const [index, file] of files.entries()) {
      for (const line of file.lines) {
        const isDeclared = declared.some(
          ({ file: lost, from, to }) => lost === file.index && line.offset >= from && line.end <= to,
        );
        if (!isDeclared) addLine(expected, sourceId(agent, index + 1), line.offset);
      }
    }
    const found = emptySum();
    for (const { consumer, fate, source, sum } of tables.ledger.values()) {
      if (fate === 'in' && consumer === 'all' && agentOf(source) === agent) addSum(found, sum);
    }
    if (!sumsEqual(found, expected))
      world.violate(`agent ${agent} has ${expected.lines} lines, ${found.lines} came in, or others`);
  }
}
