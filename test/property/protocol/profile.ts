import { Random } from '../../support/random.ts';

/** What may go wrong in one run. Faults that no reader can survive together are not put into the same run; the reasons stand here. */
export interface Profile {
  /** A second process with the agent's id and registry, which wakes up now and then. */
  readonly hasZombie: boolean;
  /** A second machine whose agent has the same id: other files under the same numbers, which readers refuse aloud. */
  readonly isCloned: boolean;
  /** A second agent with an id of its own. */
  readonly hasSecondAgent: boolean;
  /** The registry is lost, or an old copy of it is put back. */
  readonly losesRegistry: boolean;
  /** Raw loses acknowledged messages that no engine has read, or damages one. */
  readonly losesRaw: boolean;
  /** Raw loses messages that engines have read but no epoch speaks of: what comes out is no function of the log any more. */
  readonly losesReadRaw: boolean;
  /** The epoch log loses acknowledged messages. Nothing is trimmed then: what was trimmed on the strength of a lost epoch is gone. */
  readonly losesEpochs: boolean;
  readonly trims: boolean;
  /** Files are deleted when all of them was acknowledged, and, where raw may lose that, registered; agents forget them soon. */
  readonly deletesFiles: boolean;
  /** A closed file grows again and goes on as a new source. */
  readonly resumesFiles: boolean;
  /** The agents' clocks differ from the log's, and jump. */
  readonly clocksJump: boolean;
  /** The agent sends each block in an append of its own and waits for none of them: they arrive in any order. Not what src/agent does. */
  readonly isPipelined: boolean;
  readonly snapshotBytes: number;
  readonly partBytesMax: number;
  readonly beatSourcesMax: number;
  readonly retainMs: number;
  readonly allowedLatenessMs: number;
  readonly steps: number;
}

export function profileOf(seed: number): Profile {
  const random = new Random(seed ^ 0x5f3759df);
  const losesEpochs = random.chance(0.2);
  const losesRegistry = random.chance(0.5);
  // An announcement that the log loses and a registry that forgets it are together a number given twice.
  const losesRaw = !losesRegistry && random.chance(0.6);
  // Two processes only agree on numbers while files are found in one order.
  const hasZombie = random.chance(0.6);
  const losesReadRaw = losesRaw && random.chance(0.3);
  return {
    hasZombie,
    hasSecondAgent: random.chance(0.4),
    losesRegistry,
    losesRaw,
    losesReadRaw,
    losesEpochs,
    trims: !losesEpochs && random.chance(0.7),
    // What raw has lost, a file deleted and an agent forgotten to have sent, nobody can know of.
    deletesFiles: !(losesRaw && hasZombie) && random.chance(0.6),
    resumesFiles: !hasZombie && !losesReadRaw && random.chance(0.4),
    clocksJump: random.chance(0.2),
    isCloned: false,
    isPipelined: false,
    snapshotBytes: random.pick([500, 2_000, 8_000]),
    partBytesMax: random.pick([1_200, 2_500, 100_000]),
    beatSourcesMax: random.pick([1, 2, 1_000]),
    retainMs: random.pick([0, 50, 500]),
    allowedLatenessMs: random.pick([0, 0, 60]),
    steps: 200 + random.below(250),
  };
}
