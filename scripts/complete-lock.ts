// Adds to package-lock.json the platform packages which npm left out because the registry it asked (a partial mirror)
// did not serve them. Without this `npm ci` refuses the lock. An entry made here has a version (from its parent's exact
// pin) and the platforms it is for (from its name), but no integrity: only machines of that platform will fetch it.
// Run after every `npm install <package>`; changes nothing when the lock is complete.
import { readFileSync, writeFileSync } from 'node:fs';

interface LockEntry {
  version?: string;
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

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, LockEntry> };
const added: string[] = [];
for (const entry of Object.values({ ...lock.packages })) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (Object.keys(lock.packages).some((path) => path.endsWith(`node_modules/${name}`))) continue;
    lock.packages[`node_modules/${name}`] = platformEntry(name, version, entry.dev === true);
    added.push(`${name}@${version}`);
  }
}
if (added.length > 0) {
  const [root = [], ...rest] = Object.entries(lock.packages);
  rest.sort(([a], [b]) => a.localeCompare(b, 'en'));
  lock.packages = Object.fromEntries([root as [string, LockEntry], ...rest]);
  writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
}
console.log(added.length > 0 ? `added ${added.length}: ${added.join(' ')}` : 'package-lock.json is complete');
