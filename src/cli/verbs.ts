import type { Command } from 'commander';
import type { Launch } from '../roles/definitions.ts';

/** A word after `tailrace`. Its module is loaded when it is used, so that help costs nothing of it. */
export type Verb = {
  readonly name: string;
  readonly summary: string;
  readonly group: string;
} & (
  | { readonly isPlain?: false; readonly load: () => Promise<(program: Command, launch: Launch) => void> }
  /** It names no component. */
  | { readonly isPlain: true; readonly load: () => Promise<(program: Command) => void> }
);

const EVERY_DAY = 'Every day:';
const LOOKING = 'Looking at results:';
const ALONE = 'One role alone (what containers run):';
const MORE = 'More:';

/** In the order of the help text. */
export const VERBS: readonly Verb[] = [
  {
    name: 'demo',
    summary: 'a minute of live traffic, a crash, and the proof that nothing was lost',
    group: EVERY_DAY,
    load: async () => (await import('./demo.ts')).registerDemo,
  },
  {
    name: 'run',
    summary: 'read logs into tables: all roles of one machine, by a configuration or by log files',
    group: EVERY_DAY,
    load: async () => (await import('./run.ts')).registerRun,
  },
  {
    name: 'check',
    summary: 'check a configuration and show what it makes',
    group: EVERY_DAY,
    load: async () => (await import('./check.ts')).registerCheck,
  },
  {
    name: 'sql',
    summary: 'ask the warehouse: rollups, tailrace.late, tailrace.dead_letters, tailrace.ledger',
    group: LOOKING,
    load: async () => (await import('./sql.ts')).registerSql,
  },
  {
    name: 'search',
    summary: 'search the lines in Elasticsearch, and follow them',
    group: LOOKING,
    load: async () => (await import('./search.ts')).registerSearch,
  },
  {
    name: 'audit',
    summary: 'prove that every line is counted exactly once',
    group: LOOKING,
    load: async () => (await import('./audit.ts')).registerAudit,
  },
  {
    name: 'lag',
    summary: 'how far every reader of the log is behind, for people and for Prometheus',
    group: LOOKING,
    load: async () => (await import('./lag.ts')).registerLag,
  },
  {
    name: 'agent',
    summary: 'read sources into the log',
    group: ALONE,
    load: async () => (await import('./agent.ts')).registerAgent,
  },
  {
    name: 'engine',
    summary: 'turn lines into rows',
    group: ALONE,
    load: async () => (await import('./engine.ts')).registerEngine,
  },
  {
    name: 'sink',
    summary: 'write rows to a sink',
    group: ALONE,
    load: async () => (await import('./sink.ts')).registerSink,
  },
  {
    name: 'provision',
    summary: 'make templates in Elasticsearch, and a dashboard in Kibana',
    group: MORE,
    load: async () => (await import('./provision.ts')).registerProvision,
  },
  {
    name: 'gen',
    summary: 'make access logs, with the results they must lead to',
    group: MORE,
    isPlain: true,
    load: async () => (await import('./gen.ts')).registerGen,
  },
  {
    name: 'list',
    summary: 'list the components: sources, codecs, transforms, aggregates, sinks',
    group: MORE,
    load: async () => (await import('./list.ts')).registerList,
  },
  {
    name: 'version',
    summary: 'say what runs here',
    group: MORE,
    isPlain: true,
    load: async () => (await import('./version.ts')).registerVersion,
  },
];
