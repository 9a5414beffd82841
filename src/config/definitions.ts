import type { z } from 'zod';
import type { AggregateDefinition } from '../aggregates/aggregate.ts';
import type { CodecDefinition } from '../codecs/codec.ts';
import type { RollupSpec } from '../epoch/pipeline.ts';
import type { WrittenExpression } from '../expressions/tree.ts';
import type { OperatorDefinition } from '../operators/operator.ts';
import type { TransformDefinition } from '../transforms/transform.ts';
import type { BrokerConfig, Config, InputConfig, SinkConfig } from './config.ts';
import type { Path, TextSpan } from './document.ts';
import type { Problem } from './problem.ts';

/** A part of the file as it stands there, or as the schema lets it through. */
export type Section = Readonly<Record<string, unknown>>;

/** What is wrong with a place of the file, before its position is looked up. */
export type Report = (path: Path, part: 'key' | 'value', problem: ReportedProblem) => void;

/** `within`: the part of a text that is meant, in UTF-16 units. */
export type ReportedProblem = Omit<Problem, 'position'> & { readonly within?: TextSpan };

/**
 * What a configuration may name, by its type and in the order of the documentation. A definition handles its own options only, hence `any`:
 * whoever looks one up does not know them.
 */
export interface ConfigComponents {
  readonly codecs: Readonly<Record<string, CodecDefinition<any>>>;
  readonly transforms: Readonly<Record<string, TransformDefinition<any, any>>>;
  readonly aggregates: Readonly<Record<string, AggregateDefinition>>;
  readonly operators: Readonly<Record<string, OperatorDefinition<any>>>;
  readonly sources: Readonly<Record<string, SourceSection>>;
  readonly sinks: Readonly<Record<string, SinkSection>>;
}

/** A topic of a Kafka that a sink writes for others. */
export interface WrittenTopic {
  readonly topic: string;
  /** Undefined: the pipeline's own cluster. */
  readonly brokers: unknown;
  /** Whether the rows of a rollup go there. */
  readonly has: (rollup: string) => boolean;
}

/** Reads a condition over the lines of a stream; undefined where it cannot be used, which is said, or is true of all lines. */
export type ReadCondition = (path: Path, stream: string, text: string) => WrittenExpression | undefined;

/** What sinks are checked against: the rest of the file. */
export interface SinkNeighbours {
  readonly streams: readonly string[];
  readonly rollups: readonly string[];
  /** Of those rollups that are right. */
  readonly specs: Readonly<Record<string, RollupSpec>>;
  readonly hasOwnCluster: boolean;
  readonly condition: ReadCondition;
}

export interface SinkContext extends Pick<Config, 'pipeline' | 'broker'> {
  /** Its name under `sinks`. */
  readonly name: string;
  readonly engine: Pick<Config['engine'], 'assignment'>;
  /** Relative paths begin here. */
  readonly folder: string;
  readonly condition: ReadCondition;
}

/** A kind of sink as the configuration sees it. */
export interface SinkSection {
  readonly type: string;
  readonly summary: string;
  readonly options: z.ZodObject;
  /** Options of an example for the reference, besides the type. */
  readonly example?: Section;
  /** What the schema of one section alone does not see. */
  readonly check?: (path: Path, section: Section, neighbours: SinkNeighbours, report: Report) => void;
  /** The streams whose lines it takes, tables or not; none by default. */
  readonly streamsOf?: (section: Section, streams: readonly string[]) => readonly string[];
  /** None by default. */
  readonly topicOf?: (
    section: Section,
    of: { readonly sink: string; readonly pipeline: string; readonly topicPrefix: string },
  ) => WrittenTopic | undefined;
  /** The section as it is understood: every default filled in, paths absolute, plain JSON. */
  readonly resolve: (section: Section, context: SinkContext) => SinkConfig;
}

/** What sources are checked against: the rest of the file, as it stands there. */
export interface SourceNeighbours {
  /** The name of the pipeline. */
  readonly pipeline: unknown;
  /** The section `broker`, where it is a Kafka. */
  readonly broker: Section | undefined;
  readonly streams: Section | undefined;
  readonly rollups: Section | undefined;
  readonly codecs: ConfigComponents['codecs'];
  /** Topics that the sinks write for others, by sink. */
  readonly written: readonly (readonly [string, WrittenTopic])[];
}

export interface SourceContext {
  /** Its name under `sources`. */
  readonly name: string;
  /** All of them. */
  readonly sources: Section;
  readonly broker: BrokerConfig;
  readonly folder: string;
}

/** A kind of source as the configuration sees it. */
export interface SourceSection {
  readonly type: string;
  readonly summary: string;
  readonly options: z.ZodObject;
  /** Options as a user writes them. */
  readonly examples: readonly { readonly title: string; readonly options: Section }[];
  /** Whether it reads what lies on one host: its agent must then be told from those of others. */
  readonly isOfHost: boolean;
  /** Whether its producer may have put all lines of a key into one partition. */
  readonly keepsKeys: boolean;
  /** All entries of this kind, which may have to fit each other. */
  readonly check?: (
    sources: readonly (readonly [string, Section])[],
    neighbours: SourceNeighbours,
    report: Report,
  ) => void;
  /** The section as it is understood. */
  readonly resolve: (section: Section, context: SourceContext) => InputConfig;
}
