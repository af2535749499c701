import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AWS_LATENCIES } from '@queue-canary/engine';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const page = readFileSync(join(ROOT, 'docs/how-to/first-account.md'), 'utf8');

describe('the page about the first account', () => {
  test('names tests that there are', () => {
    const named = [...page.matchAll(/\[[\w.-]+\]\(\.\.\/\.\.\/([^)]+\.test\.ts)\) "([^"]+)"/g)];
    expect(named.length).toBeGreaterThan(40);
    // Prose breaks lines, so a link to a test without a name after it would be left out.
    expect(named.length).toBe([...page.matchAll(/\.test\.ts\)/g)].length);
    const absent = named.filter(
      ([, file = '', name = '']) => !readFileSync(join(ROOT, file), 'utf8').includes(name),
    );
    expect(absent.map(([, file, name]) => `${file}: ${name}`)).toEqual([]);
  });

  test('says of every latency of AWS how to see it', () => {
    expect(Object.keys(AWS_LATENCIES).filter((latency) => !page.includes(`\`${latency}\``))).toEqual([]);
  });
});
