import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const conditions = ['@queue-canary/source', 'node', 'import', 'default'];
const shared = {
  resolve: { conditions },
  ssr: { resolve: { conditions } },
};

/** A worker loads modules once, not once for each file: no test leaves anything behind that another one sees. */
const isolate = false;

/**
 * `unit`: next to the sources, no sockets beyond loopback, milliseconds each. `integration`: real SDK
 * clients, real processes, real git, `cdk deploy`, and random histories that are played for many seconds.
 */
export default defineConfig({
  test: {
    // The main process mostly waits for them.
    maxWorkers: '100%',
    coverage: {
      provider: 'v8',
      include: ['packages/*/src/**/*.ts'],
      exclude: ['**/*.test.ts', '**/test/**'],
      reporter: ['text-summary', 'html'],
      // Of the unit tests alone, a few points below what they reach. Raise it when coverage has grown.
      thresholds: { lines: 61, functions: 58, branches: 52, statements: 60 },
    },
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          isolate,
          // Ends what hangs. No test depends on how busy the machine is.
          testTimeout: 60_000,
          globalSetup: ['tools/test-directory.ts'],
          setupFiles: ['tools/property-seed.ts'],
          include: [
            '{packages/*/src,examples/sample-app}/**/*.test.ts',
            '{tools,examples/app,examples/adopt}/*.test.ts',
          ],
          exclude: ['**/node_modules/**'],
        },
      },
      {
        ...shared,
        test: {
          name: 'integration',
          isolate,
          env: {
            // An engine asks the machine's `aws` what it can do before the first build, for seconds. Tests of that bring one.
            PATH: `${join(import.meta.dirname, 'tools', 'no-aws')}:${process.env.PATH}`,
            // Engines and commands that tests start compile their modules once.
            NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules', '.cache', 'compiled'),
            NODE_OPTIONS: `--require ${JSON.stringify(join(import.meta.dirname, 'tools', 'prompt-cdk.cjs'))}`,
          },
          globalSetup: ['tools/test-directory.ts'],
          setupFiles: ['tools/property-seed.ts'],
          include: ['{packages/*,examples/app,tools}/test/**/*.test.ts', 'sim/*.test.ts'],
          exclude: ['**/node_modules/**'],
          // Ends what hangs, and nothing that is slow since the machine is busy.
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
