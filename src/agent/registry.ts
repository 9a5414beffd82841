import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EXIT, OperatingError, systemErrorCode } from '../lib/errors.ts';
import { faultPoint } from '../lib/fault-point.ts';
import type { LineSum } from '../record/line-id.ts';
import type { Sample } from './content-samples.ts';
import type { CloseReason } from './events.ts';

const REGISTRY_VERSION = 1;
const AGENT_VERSION = 1;
const REGISTRY_FILE = 'agent-registry.json';
const AGENT_FILE = 'agent.json';

/** Lines of [origin, upTo) as the agent counted them. */
export interface Counted {
  readonly upTo: number;
  readonly sum: LineSum;
}

/** What the agent remembers of one source. */
export interface RegistryEntry {
  readonly number: number;
  readonly topic: string;
  /** The entry of `sources` that reads it, and that entry's type. */
  readonly input: string;
  readonly kind: string;
  readonly identity: string;
  readonly origin: number;
  /** End of the last acknowledged block. */
  readonly position: number;
  /** Hash of the 64 bytes below `position`. */
  readonly tail: string;
  readonly path: string;
  /** File system, inode, birth time; unknown after the registry was rebuilt from the log. */
  readonly file?: string;
  /** How many bytes at the file's begin went into the identity. */
  readonly headBytes?: number;
  /** They were the whole of a file without a complete line. */
  readonly isHeadPartial?: boolean;
  /** Positions below, with the hash of the 64 bytes there: by them a shorter copy is known. */
  readonly samples?: readonly Sample[];
  /** Held as a copy: of which source, and how large it was when the two were compared. */
  readonly copyOf?: { readonly number: number; readonly sizeBytes: number };
  /** At `position` as a rule; before it where the lines between must be counted again from the file. Missing: never counted. */
  readonly counted?: Counted;
  readonly quietSinceMs: number;
  readonly possibleLossBytes: number;
  readonly possibleDoubleBytes: number;
  readonly closedBy?: CloseReason;
  readonly closedAtMs?: number;
  /** Reading ends here: a closed source that was rewound, whose later bytes belong to another source. */
  readonly until?: number;
  /** Set by `rewindSource`: the log's beats must not move the position forward again. */
  readonly isRewound?: boolean;
}

export interface Registry {
  readonly version: number;
  readonly agent: string;
  readonly nextNumber: number;
  /** Per `topic/partition`: the log's id, and the offset from which on the log may know more than this registry. */
  readonly logs: Readonly<Record<string, { readonly log: string; readonly offset: number }>>;
  readonly sources: readonly RegistryEntry[];
}

export function registryPath(dataDir: string): string {
  return join(dataDir, REGISTRY_FILE);
}

export function emptyRegistry(agent: string): Registry {
  return { version: REGISTRY_VERSION, agent, nextNumber: 1, logs: {}, sources: [] };
}

/** Undefined when there is none. A newer version or damaged file is an OperatingError. */
export function loadRegistry(dataDir: string): Registry | undefined {
  const path = registryPath(dataDir);
  const registry = readVersioned(path, REGISTRY_VERSION, 'agent registry') as Registry | undefined;
  if (registry !== undefined && (!Array.isArray(registry.sources) || typeof registry.agent !== 'string'))
    throw damaged(path);
  return registry;
}

/** Durable when it returns. */
export function saveRegistry(dataDir: string, registry: Registry): void {
  writeAtomically(registryPath(dataDir), JSON.stringify(registry));
  faultPoint('agent.registered');
}

/** The agent's UUID, or undefined when it was never minted here. */
export function loadAgentId(dataDir: string): string | undefined {
  const path = join(dataDir, AGENT_FILE);
  const file = readVersioned(path, AGENT_VERSION, 'agent identity') as { readonly id?: unknown } | undefined;
  if (file === undefined) return undefined;
  if (typeof file.id !== 'string') throw damaged(path);
  return file.id;
}

export function saveAgentId(dataDir: string, id: string): void {
  mkdirSync(dataDir, { recursive: true });
  writeAtomically(join(dataDir, AGENT_FILE), JSON.stringify({ version: AGENT_VERSION, id }));
}

function readVersioned(path: string, version: number, what: string): object | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw new OperatingError(`cannot read ${path}: ${systemErrorCode(error)}`, {
      code: 'REGISTRY_UNREADABLE',
      hint: 'run it as the user the data_dir belongs to',
      cause: error,
    });
  }
  let parsed: { readonly version?: unknown };
  try {
    parsed = JSON.parse(text) as { readonly version?: unknown };
  } catch {
    throw damaged(path);
  }
  if (typeof parsed !== 'object' || parsed === null || typeof parsed.version !== 'number') throw damaged(path);
  if (parsed.version > version) {
    throw new OperatingError(
      `${what} ${path} has format version ${parsed.version}, this program reads up to ${version}`,
      {
        code: 'FORMAT_NEWER',
        hint: 'run the newer tailrace that wrote it',
        // A restart would not help.
        exitCode: EXIT.config,
      },
    );
  }
  return parsed;
}

function damaged(path: string): OperatingError {
  return new OperatingError(`${path} is damaged`, {
    code: 'REGISTRY_DAMAGED',
    hint: 'delete it: it is rebuilt from the log, and no line is lost or doubled',
  });
}

/** Temporary file, fsync, rename, fsync of the directory: after a crash there is the old file or the new one. */
function writeAtomically(path: string, text: string): void {
  const temporary = `${path}.tmp`;
  withDescriptor(temporary, 'w', (descriptor) => {
    writeFileSync(descriptor, text);
    fsyncSync(descriptor);
  });
  renameSync(temporary, path);
  withDescriptor(dirname(path), 'r', fsyncSync);
}

function withDescriptor(path: string, flags: string, use: (descriptor: number) => void): void {
  const descriptor = openSync(path, flags, 0o600);
  try {
    use(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
