// Completes package-lock.json where npm left out packages of other platforms, because the registry it asked (a partial
// mirror) did not serve them. Without them `npm ci` refuses the lock; without their hashes a machine of such a platform
// would take whatever it is served. An entry made here has its version from its parent's exact pin and its platforms from
// its name; the hash is asked of the registry by npm itself. Run after every `npm install <package>`; changes nothing
// when the lock is complete. test/tidy.test.ts refuses one that is not.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

interface LockEntry {
  version?: string;
  resolved?: string;
  integrity?: string;
  link?: boolean;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

const OPERATING_SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32', 'wasm32'];
const PROCESSORS = ['arm64', 'arm', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64'];
const LIBC_BY_SUFFIX: Record<string, string> = { musl: 'musl', musleabihf: 'musl', gnu: 'glibc', gnueabihf: 'glibc' };

function platformEntry(name: string, version: string, isDev: boolean): LockEntry {
  const words = name.replace(/^@[^/]+\//, '').split('-');
  const os = words.filter((word) => OPERATING_SYSTEMS.includes(word) && word !== 'wasm32');
  const cpu = words.filter((word) => PROCESSORS.includes(word));
  const libc = words.flatMap((word) => LIBC_BY_SUFFIX[word] ?? []);
  if (os.length + cpu.length === 0 || !/^\d/.test(version)) {
    throw new Error(`cannot tell the platform of ${name}@${version}; run npm install against a full registry`);
  }
  return {
    version,
    ...(cpu.length > 0 && { cpu }),
    ...(isDev && { dev: true }),
    ...(libc.length > 0 && os.includes('linux') && { libc }),
    optional: true,
    ...(os.length > 0 && { os }),
  };
}

/** `resolved` names the public registry, whichever was asked: npm puts the configured one in its place. */
function withHash(name: string, version: string, { version: _, ...rest }: LockEntry): LockEntry {
  const answer = execFileSync('npm', ['view', `${name}@${version}`, 'dist.integrity', '--json'], { encoding: 'utf8' });
  const integrity: unknown = JSON.parse(answer);
  if (typeof integrity !== 'string' || !integrity.startsWith('sha512-')) {
    throw new Error(`the registry has no sha512 of ${name}@${version}`);
  }
  const file = `${name.replace(/^@[^/]+\//, '')}-${version}.tgz`;
  return { version, resolved: `https://registry.npmjs.org/${name}/-/${file}`, integrity, ...rest };
}

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, LockEntry> };
const added: string[] = [];
for (const entry of Object.values({ ...lock.packages })) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (Object.keys(lock.packages).some((path) => path.endsWith(`node_modules/${name}`))) continue;
    lock.packages[`node_modules/${name}`] = platformEntry(name, version, entry.dev === true);
    added.push(`${name}@${version}`);
  }
}
const hashed: string[] = [];
for (const [path, entry] of Object.entries(lock.packages)) {
  const { version, integrity, link } = entry;
  if (path === '' || link === true || integrity !== undefined || version === undefined) continue;
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  lock.packages[path] = withHash(name, version, entry);
  hashed.push(`${name}@${version}`);
}
if (added.length + hashed.length > 0) {
  const [root = [], ...rest] = Object.entries(lock.packages);
  rest.sort(([a], [b]) => a.localeCompare(b, 'en'));
  lock.packages = Object.fromEntries([root as [string, LockEntry], ...rest]);
  writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
}
console.log(added.length > 0 ? `added ${added.length}: ${added.join(' ')}` : 'no package was missing');
console.log(hashed.length > 0 ? `hashed ${hashed.length}: ${hashed.join(' ')}` : 'no hash was missing');
