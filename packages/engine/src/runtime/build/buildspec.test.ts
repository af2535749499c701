import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UserError } from '../../errors.ts';
import { parseBuildspec } from './buildspec.ts';

test('a whole buildspec is read as written', () => {
  const text = `version: 0.2
env:
  shell: bash
  variables: { A: 1.0, B: "x", C: yes }
  exported-variables: [OUT]
  parameter-store: { P: /p }
  secrets-manager: { S: 'shop:key' }
  git-credential-helper: yes
run-as: root
phases:
  install:
    runtime-versions: { nodejs: 24 }
  build:
    on-failure: CONTINUE
    commands:
      - npm ci
      - |
        echo two
        echo lines
    finally: echo done
  post_build: { commands: [ls] }
artifacts:
  files: ["**/*"]
  base-directory: dist
  discard-paths: yes
  exclude-paths: ["*.map"]
  name: out-$(date)
  secondary-artifacts:
    more: { files: a.json }
`;
  expect(parseBuildspec(text)).toEqual({
    version: '0.2',
    parameterStore: { P: '/p' },
    secretsManager: { S: 'shop:key' },
    gitCredentialHelper: true,
    shell: 'bash',
    variables: { A: '1.0', B: 'x', C: 'yes' },
    exportedVariables: ['OUT'],
    runtimeVersions: { nodejs: '24' },
    phases: [
      { name: 'INSTALL', commands: [], finallyCommands: [] },
      {
        name: 'BUILD',
        commands: ['npm ci', 'echo two\necho lines\n'],
        finallyCommands: ['echo done'],
        onFailure: 'CONTINUE',
      },
      { name: 'POST_BUILD', commands: ['ls'], finallyCommands: [] },
    ],
    artifacts: {
      files: ['**/*'],
      excludePaths: ['*.map'],
      baseDirectory: 'dist',
      discardPaths: 'yes',
      name: 'out-$(date)',
    },
    secondaryArtifacts: { more: { files: ['a.json'], excludePaths: [], discardPaths: 'no' } },
  });
});

test('phases run in CodeBuild order, however they are written', () => {
  const spec = parseBuildspec(
    'version: 0.2\nphases:\n  post_build: {commands: [c]}\n  pre_build: {commands: [a]}\n  build: {commands: [b]}\n',
  );
  expect(spec.phases.map(({ name }) => name)).toEqual(['PRE_BUILD', 'BUILD', 'POST_BUILD']);
});

test('anchors may be used', () => {
  const spec = parseBuildspec(
    'version: 0.2\nphases:\n  build: {commands: &c [a, b]}\n  post_build: {commands: *c}\n',
  );
  expect(spec.phases[1]).toMatchObject({ commands: ['a', 'b'] });
});

const phases = 'phases:\n  build:\n    commands: [x]\n';

test.each([
  ['', /buildspec.yml is empty/],
  [phases, /has no version/],
  [`version: 0.3\n${phases}`, /line 1: the version must be 0.2/],
  ['version: 0.2\n', /there are no phases/],
  ['version: 0.2\nphases:\n', /there are no phases/],
  ['version: 0.2\nphases:\n  biuld:\n    commands: [x]\n', /line 3: "biuld" is not known in phases/],
  ['version: 0.2\nphases:\n  build:\n    comands: [x]\n', /line 4: "comands" is not known/],
  ['version: 0.2\nphases:\n  build:\n    commands:\n', /phases.build has no commands/],
  [
    'version: 0.2\nphases:\n  build:\n    commands:\n      - echo: a\n',
    /line 5: phases.build.commands\[0\] must be text.*quotes/,
  ],
  [
    `version: 0.2\n${phases}    on-failure: MAYBE\n`,
    /line 5: phases.build.on-failure must be ABORT or CONTINUE/,
  ],
  [
    `version: 0.2\n${phases}    on-failure: RETRY-3\n`,
    /line 5: phases.build.on-failure RETRY-3 is not supported by the local engine/,
  ],
  [`version: 0.2\n${phases}env:\n  git-credential-helper: 1\n`, /must be yes or no/],
  ['version: 0.2\nphases:\n\tbuild:\n', /line 3: this is not valid YAML/],
  ['version: 0.2\nphases: [build\n', /not valid YAML/],
  [`version: 0.2\n${phases}artifacts: {}\n`, /line 5: artifacts names no files/],
  [`version: 0.2\n${phases}env:\n  variables:\n    1A: x\n`, /line 7: "1A" is not a valid name/],
  [`version: 0.2\n${phases}env:\n  shell: fish\n`, /line 6: the shell "fish" is not supported/],
  ['just text', /line 1: the buildspec must have named entries/],
])('%j is refused with its line', (text, message) => {
  expect(() => parseBuildspec(text)).toThrow(message);
});

test.each([
  ['run-as: me\n', 'run-as'],
  ['proxy: {}\n', 'proxy'],
  ['batch: {}\n', 'batch'],
  ['reports: {}\n', 'reports'],
])('what the engine cannot do is refused by name: %j', (extra, name) => {
  expect(() => parseBuildspec(`version: 0.2\n${phases}${extra}`, 'ci/spec.yml')).toThrow(
    new RegExp(`^ci/spec.yml line \\d+: ${name} is not supported by the local engine`),
  );
});

test('whatever the file holds, the answer is a buildspec or an error that the user can act on', () => {
  const line = fc.constantFrom(
    'version: 0.2',
    'phases:',
    '  build:',
    '    commands:',
    '      - x',
    '  *a',
    'env: &a',
    '- -',
    '"',
    '? x',
    '!!binary x',
    'artifacts: {files: [a]}',
    '%TAG',
    '---',
  );
  fc.assert(
    fc.property(
      fc.array(fc.oneof({ weight: 4, arbitrary: line }, { weight: 1, arbitrary: fc.string() })),
      (lines) => {
        try {
          parseBuildspec(lines.join('\n'));
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
        }
      },
    ),
  );
});
