// A document sink's task over a log in memory and a store in memory, killed anywhere, and what is in the store in the end.
import { gunzipSync } from 'node:zlib';
import { documentTopic, rawTopic } from '../../src/broker/broker.ts';
import { COMPONENTS } from '../../src/components.ts';
import { ENGINE_DEFAULTS } from '../../src/engine/engine.ts';
import type { TaskKind } from '../../src/engine/task-kind.ts';
import { runTask } from '../../src/engine/task.ts';
import { EPOCH_MESSAGE_BYTES_MAX } from '../../src/epoch/codec.ts';
import type { DeadLetter, LedgerEntry } from '../../src/epoch/epoch.ts';
import { Fold } from '../../src/epoch/fold.ts';
import type { Pipeline } from '../../src/epoch/pipeline.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { type FaultPoint, setFaultHandler } from '../../src/lib/fault-point.ts';
import { BulkLanes } from '../../src/sinks/elasticsearch/bulk-lanes.ts';
import { BulkSender, type BulkTransport } from '../../src/sinks/elasticsearch/bulk-sender.ts';
import { documentFields } from '../../src/sinks/elasticsearch/document-writer.ts';
import { Documents } from '../../src/sinks/elasticsearch/documents.ts';
import { MemoryStore } from './memory-log.ts';
import { streamPlan } from '../../src/transforms/stream-plan.ts';
import { plain } from './plain-codec.ts';
import { sieve } from './sieve.ts';
import type { Random } from './random.ts';

const PREFIX = 'p';
const STREAM = 'access';
const LINE_COMPONENTS = { codecs: { plain }, transforms: { ...COMPONENTS.transforms, sieve } };
export const RAW = rawTopic(PREFIX, STREAM);
export const EPOCHS = documentTopic(PREFIX, 'web', 'search', STREAM);
export const CONSUMER = 'documents.search';
/** Time runs so much faster here: pauses and lingering are as in life, and over soon. */
const HASTE = 25;
export const hastyClock: Clock = {
  nowMs: () => systemClock.nowMs(),
  monotonicMs: () => systemClock.monotonicMs() * HASTE,
  sleep: (ms, signal) => systemClock.sleep(ms / HASTE, signal),
};

export interface StoredDocument {
  readonly id: string;
  readonly index: string;
  readonly document: Record<string, unknown>;
}

/** A store with the meaning of Elasticsearch's: ids are unique in one index, and a 400 is for ever. */
export class DocumentStoreModel {
  readonly documents = new Map<string, StoredDocument>();
  requests = 0;
  refuses: (document: Record<string, unknown>) => boolean = () => false;

  take(body: Uint8Array): unknown {
    this.requests++;
    const lines = gunzipSync(body).toString('utf8').split('\n').slice(0, -1);
    const items: unknown[] = [];
    for (let i = 0; i < lines.length; i += 2) {
      const { create } = JSON.parse(lines[i]!) as { create: { _id: string; _index: string } };
      const document = JSON.parse(lines[i + 1]!) as Record<string, unknown>;
      const key = `${create._index}/${create._id}`;
      const isRefused = !create._index.startsWith('t-dead-letters') && this.refuses(document);
      const status = this.documents.has(key) ? 409 : isRefused ? 400 : 201;
      if (status === 201) this.documents.set(key, { id: create._id, index: create._index, document });
      items.push({ create: { _id: create._id, status, ...(isRefused ? { error: { type: 'x', reason: 'no' } } : {}) } });
    }
    return { items };
  }
}

export interface Life {
  /** Dies there, at the so many-th pass. */
  readonly fault?: { readonly point: FaultPoint; readonly passes: number };
  readonly pipeline: Pipeline;
  readonly random: Random;
}

export class DocumentWorld {
  readonly log = new MemoryStore({ clock: hastyClock });
  readonly store = new DocumentStoreModel();
  lives = 0;
  #ids = 0;

  async begin(): Promise<void> {
    const spec = { partitions: 1, messageBytesMax: EPOCH_MESSAGE_BYTES_MAX };
    const log = this.log.open();
    await log.ensureTopics([RAW, EPOCHS].map((topic) => ({ topic, ...spec })));
    // A warehouse that has read nothing yet: every epoch stays.
    await log.report('web.warehouse', EPOCHS, 0, undefined);
  }

  /** One process, until it dies of its fault or has committed all of raw. True when it came to its end. */
  async live({ fault, pipeline, random }: Life): Promise<boolean> {
    this.lives++;
    const log = this.log.open();
    const stop = new AbortController();
    let isDead = false;
    let passes = fault?.passes ?? 0;
    setFaultHandler((point) => {
      if (isDead || point !== fault?.point || --passes > 0) return;
      isDead = true;
      throw new Error(`died at ${point}`);
    });
    const transport: BulkTransport = {
      send: async (body) => {
        // A request is on its way for a while; of a process that dies meanwhile it comes, or does not.
        await hastyClock.sleep(random.below(50));
        if (isDead && random.chance(0.5)) await new Promise(() => undefined);
        const answer = this.store.take(body);
        await hastyClock.sleep(random.below(50));
        return answer;
      },
    };
    const sender = new BulkSender({
      transport,
      clock: hastyClock,
      random: () => 0,
      deadLetterIndex: () => 't-dead-letters-2026.11.26',
    });
    const task = runTask(
      {
        clock: hastyClock,
        log,
        newId: () => (++this.#ids).toString(16).padStart(32, '0'),
        ...LINE_COMPONENTS,
        aggregates: {},
        operators: {},
        kind: documentKind(new BulkLanes(sender, 1)),
        options: {
          ...ENGINE_DEFAULTS,
          pipeline,
          topicPrefix: PREFIX,
          checkpoint: { intervalMs: 100, minPauseMs: 0, timeoutMs: 60_000, positionsIntervalMs: 100 },
          snapshotBytes: 2_000,
          maySwitch: true,
          isOnce: true,
        },
        notify: () => undefined,
      },
      { pipeline: 'web', stream: STREAM, partition: 0 },
      stop.signal,
    );
    const running = task.then(
      () => true,
      (error: unknown) => {
        if (!isDead) throw error;
        return false;
      },
    );
    const watching = this.#committed(log).then(() => stop.abort());
    const hasEnded = await Promise.race([running, watching.then(() => running)]);
    stop.abort();
    sender.close();
    setFaultHandler(undefined);
    return hasEnded;
  }

  /** Every document, and what the counted epochs say of them. */
  async outcome(): Promise<{ ledger: LedgerEntry[]; deadLetters: DeadLetter[]; documents: StoredDocument[] }> {
    const log = this.log.open();
    const fold = new Fold({ name: EPOCHS, hasBodies: true, offset: 0 });
    const ledger = new Map<string, LedgerEntry>();
    const deadLetters: DeadLetter[] = [];
    for await (const messages of log.read(EPOCHS, 0, 0, { isFollowing: false })) {
      for (const message of messages) {
        const body = fold.push(message)?.body;
        for (const entry of body?.ledger ?? [])
          ledger.set([entry.source, entry.consumer, entry.fate, entry.reason].join('\n'), entry);
        deadLetters.push(...(body?.deadLetters ?? []));
      }
    }
    return { ledger: [...ledger.values()], deadLetters, documents: [...this.store.documents.values()] };
  }

  async #committed(log: ReturnType<MemoryStore['open']>): Promise<void> {
    const lives = this.lives;
    while (this.lives === lives) {
      const [ends] = await log.ends(RAW);
      // Not what was reported: a process may die between its epoch and the report.
      const fold = new Fold({ name: EPOCHS, hasBodies: false, offset: 0 });
      const options = { isFollowing: false, hasValues: false };
      for await (const messages of log.read(EPOCHS, 0, 0, options)) for (const message of messages) fold.push(message);
      if ((fold.chain?.to ?? 0) >= ends!.end) return;
      await hastyClock.sleep(20);
    }
  }
}

function documentKind(lanes: BulkLanes): TaskKind {
  return {
    topics: [],
    epochTopic: () => EPOCHS,
    group: 'web.search',
    trimsRaw: false,
    listsBadLines: false,
    operators({ pipeline, generation }) {
      const fields = documentFields(streamPlan(pipeline.streams[STREAM]!, LINE_COMPONENTS).fields);
      const index = { prefix: 't', stream: STREAM, generation };
      const options = { name: CONSUMER, index, fields, retentionMs: null };
      const documents = new Documents({ clock: hastyClock, lanes, options });
      return { fields, operators: [documents], outlet: documents };
    },
  };
}
