import { EXIT, OperatingError } from '../lib/errors.ts';
import { emptySum } from '../record/line-id.ts';
import { agentOf, numberOf, type SourceId } from '../record/source.ts';
import { loadRegistry, type Registry, type RegistryEntry, registryPath, saveRegistry } from './registry.ts';

/**
 * Makes a stopped agent send a source again from `position` on, where a reader's mark stands with this `tail`: what the log lost
 * comes again, and what it still has is dropped by its readers. Lines are counted again from the file.
 * Throws an OperatingError if the agent does not know the source, or the file has no such content any more.
 */
export function rewindSource(dataDir: string, source: SourceId, position: number, tail: string): void {
  const registry = requireRegistry(dataDir);
  const entry = registry.sources.find((candidate) => candidate.number === numberOf(source));
  if (registry.agent !== agentOf(source) || entry === undefined) {
    throw new OperatingError(`source ${source} is not in the registry at ${registryPath(dataDir)}`, {
      code: 'SOURCE_UNKNOWN',
      hint: 'run this where its agent runs; of a source it has forgotten the missing bytes stay a gap',
    });
  }
  if (position < entry.origin || position > entry.position) {
    throw new OperatingError(
      `source ${source} can be rewound to ${entry.origin} … ${entry.position}, not to ${position}`,
      {
        code: 'SOURCE_POSITION',
      },
    );
  }
  if (entry.closedBy === 'truncated' || entry.closedBy === 'deleted') {
    throw new OperatingError(`${entry.path}: the content of source ${source} is gone, it was ${entry.closedBy}`, {
      code: 'SOURCE_GONE',
      hint: 'what neither the file nor the log has is lost: the audit says how many bytes',
    });
  }
  const sources = registry.sources.map((other) => (other === entry ? rewound(entry, position, tail) : other));
  saveRegistry(dataDir, { ...registry, sources });
}

/** The registry of an agent that has run in this folder. Throws REGISTRY_MISSING where none has. */
export function requireRegistry(dataDir: string): Registry {
  const registry = loadRegistry(dataDir);
  if (registry !== undefined) return registry;
  throw new OperatingError(`no agent registry at ${registryPath(dataDir)}`, {
    code: 'REGISTRY_MISSING',
    hint: 'name the data_dir of the agent; it writes its registry when it starts',
    exitCode: EXIT.unreachable,
  });
}

function rewound(entry: RegistryEntry, position: number, tail: string): RegistryEntry {
  const { closedBy, closedAtMs: _, until, ...open } = entry;
  // What follows the end of a closed source is another source's: reading stops where this one ended.
  const end = until ?? (closedBy === undefined ? undefined : entry.position);
  return {
    ...open,
    position,
    tail,
    counted: { upTo: entry.origin, sum: emptySum() },
    isRewound: true,
    ...(end === undefined ? {} : { until: end }),
  };
}
