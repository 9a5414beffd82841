import { expect, test } from '@jest/globals';
import { rmSync } from 'node:fs';
import { processesOf, tailrace, workFolder } from '../support/tailrace-process.ts';

test('the demonstration survives its deaths and proves that nothing was lost', async () => {
  const cwd = workFolder();
  const { code, stdout, stderr } = await tailrace(['demo', '--seconds', '8', '--rate', '400'], { cwd: cwd.path });
  const folder = /everything is in (\S+)/.exec(stderr)?.[1] ?? '';
  expect(folder).toContain('tailrace-demo-');
  try {
    expect(stdout).toMatch(/kill -9 \d+: the engine dies/);
    expect(stdout).toMatch(/the engine works again after \d+\.\d s/);
    expect(stdout).toMatch(/kill -9 \d+: the sink warehouse dies/);
    expect(stdout).toMatch(
      /the longest of them:\nclient +began +seconds +requests +entry +exit\n.*\n\d+\.\d+\.\d+\.\d+ /,
    );
    expect(stdout).toMatch(/the highest rate:\nroute +window_start +requests +errors +error_rate\n.*\n\/\w* /);
    expect(stdout).toMatch(/^traffic +3,200 +[\d,]+ +[\d,]+ +0 +[1-9]\d{2} /m);
    expect(stdout).toContain('sent 3,200 = stored 3,200, lost 0, doubled 0');
    expect(code).toBe(0);
    expect(processesOf(folder)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    cwd.remove();
  }
});
