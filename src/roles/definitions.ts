import type { AgentInput } from '../agent/source-input.ts';
import type { Log } from '../broker/broker.ts';
import type { Config, InputConfig, SinkConfig } from '../config/config.ts';
import type { DataDir } from '../config/data-dir.ts';
import type { ConfigComponents, SinkSection, SourceSection } from '../config/definitions.ts';
import type { Pipeline } from '../epoch/pipeline.ts';
import type { Clock } from '../lib/clock.ts';
import type { Meter } from '../metrics/meter.ts';
import type { DocumentStore } from '../query/audit-documents.ts';
import type { Exit } from '../supervisor/service.ts';

/** Everything that there is of each kind, by type: what `components.ts` lists, and what `main` is given. */
export interface Components extends ConfigComponents {
  readonly sources: Readonly<Record<string, SourceDefinition<any>>>;
  readonly sinks: Readonly<Record<string, SinkDefinition<any, any>>>;
}

/** How the program was started. */
export interface Launch {
  readonly components: Components;
  /** The module that Node was started with: processes of roles are started with it, and have the same components. */
  readonly entry: string;
}

/** What every role gets; `Event` is what it tells of itself. */
export interface RoleContext<Event = never> {
  readonly config: Config;
  readonly components: Components;
  readonly dataDir: DataDir;
  readonly clock: Clock;
  readonly log: Log;
  /** Where the role measures itself. */
  readonly meter: Meter;
  /** Aborts when the role should finish what is in flight and end. */
  readonly signal: AbortSignal;
  readonly notify: (event: Event) => void;
}

/** Where the lines of an entry of `sources` go. */
export interface InputTarget {
  readonly topic: string;
  readonly partitions: number;
  /** Topics of the log's cluster that begin so are Tailrace's own. */
  readonly ownPrefix: string;
  readonly isJson: boolean;
}

/** A kind of source: what the configuration must know of it, and what it does. */
export interface SourceDefinition<Input extends InputConfig = InputConfig> extends SourceSection {
  /** An entry as the agent takes it; undefined where only another one reads it. */
  readonly agentInput: (
    input: Input,
    target: InputTarget,
    agent: string | null,
  ) => AgentInput | undefined | Promise<AgentInput>;
  /** What an entry reads, for people. */
  readonly places: (input: Input) => readonly string[];
  /** What may be said of an entry of which nothing was read. */
  readonly nothingIn: (input: Input) => string;
  /** What is allowed of the entries that feed one stream, and still worth a word. */
  readonly notes?: (inputs: readonly Input[]) => readonly string[];
}

/** A group that reads a topic: it is registered before anything is trimmed, so that nothing goes that it has not seen. */
export interface TopicReader {
  readonly group: string;
  readonly topic: string;
  readonly partitions: number;
}

/** A topic of epochs that the warehouse folds. */
export interface FoldedTopic {
  readonly stream: string;
  readonly topic: string;
  readonly partitions: number;
  /** The sink whose own epochs these are; the engine's have none. */
  readonly sink?: string;
}

/** A topic of epochs in which a sink says what it made of the lines of a stream. */
export interface SinkEpochs extends FoldedTopic {
  readonly sink: string;
  /** What it runs over the stream. */
  readonly pipeline: Pipeline;
}

/** A process of a sink. */
export interface SinkProcess {
  /** The second one, which answers questions. */
  readonly isReplica: boolean;
  /** Whether it ended because of what it was asked, which is not a failure. */
  readonly wasAsked?: (exit: Exit) => boolean;
}

export interface SinkRunOptions {
  readonly isReplica: boolean;
  /** Set by `run`: this start may bring changed streams. */
  readonly maySwitch: boolean;
  /** Somebody waits: every position is committed at once. */
  readonly isOnce: boolean;
  /** Of the pipeline and of each stream's documents, where other hosts may run the sink. */
  readonly generation: number | undefined;
  readonly documentGenerations: Readonly<Record<string, number>>;
}

/** Documents that an audit can count. */
export interface OpenStore {
  readonly store: DocumentStore;
  readonly close: () => Promise<void>;
}

/** A kind of sink: what the configuration must know of it, and what it does. `Event` is what it tells of itself. */
export interface SinkDefinition<Sink extends SinkConfig = SinkConfig, Event = unknown> extends SinkSection {
  /** Whether hosts that share a pipeline share its store: it then works on one of them at a time. */
  readonly isShared: boolean;
  /** Whether a run without end has caught up only when this sink has stored everything. A run with an end waits for every sink. */
  readonly waits: boolean;
  /** Its groups with the topics they read. */
  readonly readers: (config: Config, name: string, sink: Sink, components: Components) => TopicReader[];
  /** None by default. */
  readonly epochs?: (config: Config, name: string, sink: Sink) => SinkEpochs[];
  /** One by default. */
  readonly processes?: (dataDir: DataDir, sink: Sink) => readonly SinkProcess[];
  /** The condition of the lines of a stream that it takes, as it is written. None by default. */
  readonly conditionOf?: (sink: Sink, stream: string) => string | undefined;
  /** Undefined where it holds no documents of lines. */
  readonly openStore?: (name: string, sink: Sink, nowMs: number) => Promise<OpenStore | undefined>;
  /** What a person should know, as a line. */
  readonly text?: (event: Event) => string | undefined;
  /** Runs until the signal aborts; loads the client of its own store only then. */
  readonly run: (context: RoleContext<Event>, name: string, sink: Sink, options: SinkRunOptions) => Promise<void>;
}
