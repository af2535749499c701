import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../src/runtime/test/temporary-directory.ts';
import { BASH, BASH_AS_SH, build, DASH, statuses } from './build-bench.ts';

const SHELLS = [
  ['dash', DASH],
  ['bash', BASH],
  ['bash as sh', BASH_AS_SH],
] as const;

/** A buildspec of one phase with these commands; JSON is YAML. */
function spec(commands: readonly string[], more: Record<string, unknown> = {}): string {
  return JSON.stringify({ version: 0.2, phases: { build: { commands } }, ...more });
}

const MESSAGE = (command: string, status: number) =>
  `Error while executing command: ${command}. Reason: exit status ${status}`;

describe.each(SHELLS)('in %s', (_name, shell) => {
  const run = (commands: readonly string[], more: Record<string, unknown> = {}) =>
    build(spec(commands, more), { shell });

  test.each([
    ['set -x'],
    ['set -e'],
    ['set -u'],
    ['set -eux'],
    ['set -C'],
    ['set -f'],
    ['set -a'],
    ['IFS=0123456789:/. '],
    ["PS4='+$(echo trace) '; set -x"],
    ['trap "" INT TERM PIPE HUP'],
    ['trap ": ended" EXIT'],
    ['exec 3>&1 4>&2 5</dev/null'],
    ['exec 3>&- 4>&- 5>&- 9>&-'],
    ['exec 0<&-'],
    ['pwd() { echo no; }; env() { echo no; }; printenv() { echo no; }; printf() { echo no; }'],
    ['test() { true; }; cat() { true; }; read() { true; }; echo() { true; }; command() { true; }'],
    ['set -- a b c'],
    ['readonly LATER=1 QC_NUMBER=1 QC_MARKER=2 QC_SESSION=3'],
    ['umask 777'],
    ['sleep 300 >/dev/null 2>&1 &'],
    ['PATH=/nowhere'],
    ['unset PATH HOME PWD OLDPWD'],
    ['export ENV=/nowhere BASH_ENV=/nowhere POSIXLY_CORRECT=y LD_PRELOAD='],
    ['exec 2>/dev/null'],
    ['unset -f cd; unalias -a; hash -r'],
  ])('%s does not reach what runs the build', async (setting) => {
    const directory = temporaryDirectory({ 'sub/file': '' });
    const built = await build(
      spec([setting, 'export LABEL=abc', 'cd sub', `export PLACE="\${PWD##*/}"`, '(exit 7)', 'echo after'], {
        env: { 'exported-variables': ['LABEL', 'PLACE'] },
      }),
      { shell, sourceDirectory: directory },
    );
    expect(statuses(built)).toEqual(['BUILD FAILED']);
    expect(built.phases[0]!.contexts[0]!.message).toBe(MESSAGE('(exit 7)', 7));
    expect(built.exportedVariables).toEqual({ LABEL: 'abc', PLACE: 'sub' });
    // Traces of the build's own commands are wanted; nothing else stands in the log.
    expect(built.output.filter((line) => !/^\++(trace)? /.test(line))).toEqual([]);
    expect(built.log.join('\n')).not.toMatch(/save\.sh|ended\.sh|next\.sh|driver\.sh/);
    expect(built.log.join('')).not.toContain('\u0001');
  });

  test('a command that ends the shell counts by its status, and what it exported before stays', async () => {
    const directory = temporaryDirectory({ 'sub/file': '' });
    const { output, ...built } = await build(
      spec(
        [
          'cd sub; export A=1; exit 0',
          `echo "$A \${PWD##*/}"`,
          'exec echo replaced',
          `echo "$A \${PWD##*/}"`,
          'kill -9 $$',
        ],
        { env: { 'exported-variables': ['A'] } },
      ),
      { shell, sourceDirectory: directory },
    );
    expect(output).toEqual(['1 sub', 'replaced', '1 sub']);
    expect(built.phases[0]!.contexts[0]!.message).toBe(MESSAGE('kill -9 $$', 137));
    expect(built.exportedVariables).toEqual({ A: '1' });
  });

  test('a command may end everything of its own, and leave a directory that is gone', async () => {
    const built = await run(['mkdir d; cd d; rmdir ../d', 'exit 0', 'echo here', 'kill 0']);
    expect(built.output.filter((line) => !/getcwd/.test(line))).toEqual(['here']);
    expect(statuses(built)).toEqual(['BUILD FAILED']);
    expect(built.phases[0]!.contexts[0]!.message).toMatch(/kill 0\. Reason: (was killed|exit status \d+)/);
  });

  test('set -e ends the build at the command that failed, with its status', async () => {
    const built = await run(['set -e', 'sh -c "exit 5"\necho not reached']);
    expect(built.output).toEqual([]);
    expect(built.phases[0]!.contexts[0]!.message).toMatch(/exit status 5$/);
  });

  test('set -v shows the lines of the build alone', async () => {
    const built = await run(['set -v', 'echo one', 'echo two']);
    expect(built.output).toEqual(['echo one', 'one', 'echo two', 'two']);
  });

  test('set -x shows what the build runs, and no more', async () => {
    const built = await run(['set -x', 'echo one', 'X=2', 'set +x', 'echo three']);
    expect(built.output.map((line) => line.replace(/^\++/, '+'))).toEqual([
      '+ echo one',
      'one',
      '+ X=2',
      '+ set +x',
      'three',
    ]);
  });

  test('output that is sent elsewhere stays there, and the build goes on', async () => {
    const directory = temporaryDirectory();
    const built = await build(
      spec(['exec >all.txt 2>&1', 'echo written; echo too >&2', 'exec >&- 2>&-', 'true', '(exit 6)']),
      { shell, sourceDirectory: directory },
    );
    expect(built.output).toEqual([]);
    expect(readFileSync(join(directory, 'all.txt'), 'utf8')).toBe('written\ntoo\n');
    expect(built.phases[0]!.contexts[0]!.message).toBe(MESSAGE('(exit 6)', 6));
  });

  test('positional parameters, functions, unexported variables and background jobs are there in later commands', async () => {
    const built = await run([
      'set -- "a b" c',
      'echo "$# $1"',
      'PLAIN=1; f() { echo "f$PLAIN"; }',
      'f',
      '(exit 4) &',
      'wait $! || echo "ended $?"',
    ]);
    expect(built.output).toEqual(['2 a b', 'f1', 'ended 4']);
  });

  test('a line as long as a log event, without an end, does not swallow the end of its command', async () => {
    const built = await run(['head -c 262100 /dev/zero | tr "\\0" x', '(exit 2)']);
    expect(built.output.map(({ length }) => length)).toEqual([262_100]);
    expect(built.phases[0]!.contexts[0]!.message).toBe(MESSAGE('(exit 2)', 2));
  });

  test('after set -n the rest of the command is not run, and the build goes on', async () => {
    const built = await run(['set -n\necho not run', 'echo next']);
    expect(built.output).toEqual(['next']);
    expect(built.status).toBe('SUCCEEDED');
  });

  test('a trap for the end of the shell runs once, at the end', async () => {
    const built = await run(['trap "echo bye" EXIT', 'echo one', 'echo two']);
    expect(built.output).toEqual(['one', 'two', 'bye']);
    expect(built.status).toBe('SUCCEEDED');
  });

  test.each([
    ['echo "open', /BUILD FAILED/],
    ['if true; then', /BUILD FAILED/],
    ['echo joined \\', /BUILD SUCCEEDED/],
    ['cat <<END\ntext', /BUILD SUCCEEDED/],
    ['# a comment', /BUILD SUCCEEDED/],
  ])('%j is no way out of its command', async (command, status) => {
    const built = await run([command]);
    expect(statuses(built)[0]).toMatch(status);
    expect(built.output.join(' ')).not.toMatch(/bin\/sh/);
  });

  test('what a shell that has ended left in the background goes on until the build ends', async () => {
    const directory = temporaryDirectory();
    await build(
      spec(['{ until [ -e go ]; do :; done; : >seen; } & exit 0', ': >go; until [ -e seen ]; do :; done']),
      {
        shell,
        sourceDirectory: directory,
      },
    );
    expect(existsSync(join(directory, 'seen'))).toBe(true);
  });

  test('in version 0.1 every command has a shell of its own', async () => {
    const built = await run(
      [
        'cd /; export A=1; set -e; f() { :; }',
        'echo "[$A] $CODEBUILD_BUILD_SUCCEEDING"',
        'test "$PWD" != /',
        '(exit 3)',
      ],
      {
        version: 0.1,
        phases: {
          build: {
            commands: [
              'cd /; export A=1; set -e',
              'echo "[$A] $CODEBUILD_BUILD_SUCCEEDING"',
              'test "$PWD" != /',
              '(exit 3)',
            ],
          },
          post_build: { commands: ['echo "$CODEBUILD_BUILD_SUCCEEDING"'] },
        },
      },
    );
    expect(built.output).toEqual(['[] 1', '0']);
    expect(statuses(built)).toEqual(['BUILD FAILED', 'POST_BUILD SUCCEEDED']);
    expect(built.phases[0]!.contexts[0]!.message).toBe(MESSAGE('(exit 3)', 3));
  });
});

describe.each([
  ['bash', BASH],
  ['bash as sh', BASH_AS_SH],
] as const)('in %s', (_name, shell) => {
  test.each([
    ['set -o pipefail'],
    ['set -o posix'],
    ['set +o posix; exit() { :; }; export() { :; }; set() { :; }; trap() { :; }; eval() { :; }'],
    ['set +o posix; .() { echo no; }; :() { echo no; }; break() { :; }; source() { :; }'],
    ['shopt -s expand_aliases; alias set=false export=false trap=false eval=false'],
    ['printf() { :; }; export -f printf; read() { :; }; export -f read'],
    ['shopt -s nullglob failglob extglob; set -Tb'],
    ['set -m'],
    ['export SHELLOPTS BASHOPTS'],
    ['set -Eeu; set -o errtrace; trap "true" RETURN'],
    ['enable -n printf read trap; hash -p /nowhere cat'],
  ])('%s does not reach what runs the build', async (setting) => {
    const built = await build(
      spec([setting, 'declare -x LABEL=abc', '(builtin exit 7)', 'echo after'], {
        env: { 'exported-variables': ['LABEL'] },
      }),
      { shell },
    );
    expect(built.phases[0]!.contexts[0]!.message).toBe(MESSAGE('(builtin exit 7)', 7));
    expect(built.exportedVariables).toEqual({ LABEL: 'abc' });
    expect(built.output).toEqual([]);
  });

  test('traps for commands and errors run for the commands of the build alone', async () => {
    const built = await build(
      spec([
        'trap \'echo "at $BASH_COMMAND"\' DEBUG; trap "echo failed" ERR',
        'echo one',
        'false || true',
        'sh -c "exit 2"',
      ]),
      { shell },
    );
    expect(built.output).toEqual([
      'at trap "echo failed" ERR',
      'at echo one',
      'one',
      'at false',
      'at true',
      'at sh -c "exit 2"',
      // For the command of the other trap.
      'at sh -c "exit 2"',
      'failed',
    ]);
    expect(built.phases[0]!.contexts[0]!.message).toMatch(/exit status 2$/);
  });

  test('traces that go to a file of their own stay out of the log', async () => {
    const directory = temporaryDirectory();
    const built = await build(spec(['exec 7>trace.txt; BASH_XTRACEFD=7; set -x', 'echo one']), {
      shell,
      sourceDirectory: directory,
    });
    expect(built.output).toEqual(['one']);
    expect(readFileSync(join(directory, 'trace.txt'), 'utf8')).toMatch(/^\++ echo one$/m);
  });
});
