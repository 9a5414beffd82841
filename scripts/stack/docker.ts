// Docker as it is on this machine: whether an engine answers, and by which words Compose is called.
import { spawnSync } from 'node:child_process';

const ANSWER_TIMEOUT_MS = 10_000;
/** The exit code of what cannot be had here. */
export const UNAVAILABLE = 69;

/** What a command that cannot do without says, in one line, with `why` of `missingCompose`. */
export const needsDocker = (command: string, why: string): string =>
  `${command} needs a Docker engine with Compose, and ${why}: \`make stack\` runs the same pipeline without`;

/** Why there is no engine with Compose to talk to; nothing if there is one. */
export const missingCompose = (): string | undefined =>
  missingEngine() ?? (composeCommand() === undefined ? 'Docker has no Compose' : undefined);

function missingEngine(): string | undefined {
  const { status, error } = spawnSync('docker', ['version', '--format', '{{.Server.Version}}'], {
    stdio: 'ignore',
    timeout: ANSWER_TIMEOUT_MS,
  });
  if (error !== undefined) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'docker is not installed' : 'docker does not answer';
  }
  return status === 0 ? undefined : 'no Docker engine answers';
}

/** `docker compose`, or the older program of its own. */
export function composeCommand(): readonly string[] | undefined {
  const ways = [['docker', 'compose'], ['docker-compose']];
  return ways.find(
    ([command = '', ...args]) => spawnSync(command, [...args, 'version'], { stdio: 'ignore' }).status === 0,
  );
}

/**
 * Some versions of Compose warn that owner and mode of a secret are ignored. Of secrets that are bind mounts of files they are; ours
 * come from the environment, are copied in, and get both.
 */
export const isNoise = (line: string): boolean =>
  line.trim() === '' || /secrets\.\w+\.(uid|gid|mode).*not supported outside Swarm/.test(line);
