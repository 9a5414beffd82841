// Runs before every test file.
import { expect, jest } from '@jest/globals';

const HOUR_MS = 3_600_000;
const SYSTEM_TEST_TIMEOUT_MS = process.env['TAILRACE_SOAK'] === '1' ? 12 * HOUR_MS : 600_000;

// Without `--experimental-vm-modules` the transform falls back to CommonJS and tests something that never ships.
if (typeof require !== 'undefined') {
  throw new Error('tests must run as ES modules: use `make test`, `npm run jest` or `npx jest`');
}

if (expect.getState().testPath?.includes('/test/system/')) jest.setTimeout(SYSTEM_TEST_TIMEOUT_MS);
