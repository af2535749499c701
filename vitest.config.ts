import { join } from 'node:path';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

const conditions = ['@queue-canary/source', 'node', 'import', 'default'];
const shared = {
  resolve: { conditions },
  ssr: { resolve: { conditions } },
};

/** A worker loads modules once, not once for each file: no test leaves anything behind that another one sees. */
const isolate = false;

/** What takes more than some ten seconds, by why it does. `npm test` leaves it out; `npm run test:all` and CI do not. */
const system = [
  // Whole applications on an engine: deployed by CDK, released, updated, deleted.
  'packages/cli/test/{cli,doctor,env,first-release,own-source,release,release-start}.test.ts',
  'packages/constructs/test/{first-deployment,stack-updates,worker-source}.test.ts',
  'examples/app/test/{app,combinations}.test.ts',
  'sim/*.test.ts',
  // The packages as users install them, and whatever the images of the machine's CodeBuild and CDK need.
  'packages/cli/test/installed-packages.test.ts',
  'packages/engine/test/{cdk,codebuild-image,constructs,runtime-docker}.test.ts',
  'packages/engine/test/runtime-build-{shell,tools}.test.ts',
  // Each moment at which something can be killed, or each thing that a custom resource can answer.
  'packages/engine/test/{cloudformation-crash,custom-resources}.test.ts',
  // Every operation of every service, or as much of something as AWS allows.
  'packages/engine/test/{fuzz,sqs-limits,unread-members}.test.ts',
  'packages/controller/test/limits.test.ts',
];

function long(name: string, include: string[], exclude: string[]): TestProjectInlineConfiguration {
  return {
    ...shared,
    test: {
      name,
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
      include,
      exclude: ['**/node_modules/**', ...exclude],
      // Ends what hangs, and nothing that is slow since the machine is busy.
      testTimeout: 600_000,
      hookTimeout: 600_000,
    },
  };
}

/**
 * `unit`: next to the sources, no sockets beyond loopback, milliseconds each. `integration`: real SDK
 * clients, real processes, real git, `cdk deploy`, and random histories that are played for seconds. `system`: the long
 * ones of these.
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
            '{action,tools,examples/app,examples/adopt}/*.test.ts',
          ],
          exclude: ['**/node_modules/**'],
        },
      },
      long('integration', ['{packages/*,examples/app,tools}/test/**/*.test.ts'], system),
      long('system', system, []),
    ],
  },
});
