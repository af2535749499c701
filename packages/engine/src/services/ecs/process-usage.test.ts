import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readGroupUsage } from './process-usage.ts';

test.runIf(process.platform === 'linux')('the usage of a process group is read from /proc', () => {
  const own = Number(readFileSync('/proc/self/stat', 'utf8').split(') ')[1]!.split(' ')[2]);
  const nobody = 2 ** 30;
  const usage = readGroupUsage(new Set([own, nobody]));
  expect([...usage.keys()]).toEqual([own]);
  expect(usage.get(own)!.cpuSeconds).toBeGreaterThan(0);
  expect(usage.get(own)!.memoryBytes).toBeGreaterThan(1024 * 1024);
});
