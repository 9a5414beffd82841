import type { Config } from './config.ts';
import type { Path } from './document.ts';
import type { Problem } from './problem.ts';
import type { ConfigFile } from './schema.ts';

/** Workers of a group find each other through Kafka; one machine has its supervisor for that. */
export function checkAssignment(
  file: ConfigFile,
  report: (path: Path, part: 'key' | 'value', problem: Omit<Problem, 'position'>) => void,
): void {
  const { type: broker } = file.broker as { readonly type: string };
  if (file.engine.assignment !== 'group' || broker === 'kafka') return;
  report(['engine', 'assignment'], 'value', {
    code: 'CONFIG_VALUE',
    message: 'assignment: group is a consumer group of Kafka, and this broker is embedded',
    hint: 'leave it out: the workers of one machine share the partitions by their numbers',
  });
}

/** What is allowed and still worth a word: workers that get less than others, or nothing. One sentence each. */
export function workerNotes({ engine: { workers, assignment }, pipeline }: Config): string[] {
  const total = Object.values(pipeline.streams).reduce((sum, { partitions }) => sum + partitions, 0);
  // Hosts of a group add up to a number that this file does not know.
  const whose = assignment === 'group' ? 'of this host alone ' : '';
  if (workers > total) {
    return [
      `${workers} workers ${whose}for ${count(total, 'partition')}: ${workers - total} of them ${workers - total === 1 ? 'has' : 'have'} nothing to do (lower engine.workers, or give a new stream more partitions)`,
    ];
  }
  const more = total % workers;
  if (more === 0) return [];
  const least = Math.floor(total / workers);
  const each = `${more} of them ${more === 1 ? 'has' : 'have'} ${least + 1}, the others ${least}`;
  return [`${count(total, 'partition')} for ${workers} workers do not divide evenly: ${each}`];
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
