import type { EnvironmentChanges } from '../local-environment.ts';

export type Shell = 'sh' | 'fish' | 'csh' | 'tcsh';

interface Syntax {
  /** How the shell evaluates what a command with the option prints. */
  readonly usage: (command: string) => string;
  /**
   * Commands that change the environment.
   *
   * @param wrapAws - whether `aws` needs the endpoint as an option
   */
  readonly lines: (changes: EnvironmentChanges, wrapAws: boolean) => string[];
}

/** Leaves nothing behind where the variable is removed later. */
const OPTION = '--endpoint-url=$AWS_ENDPOINT_URL';

const sh: Syntax = {
  usage: (command) => `eval "$(${command} sh)"`,
  lines: (changes, wrapAws) => [
    ...lines(changes, {
      set: (name, value) => `export ${name}=${posix(value)}`,
      unset: (name) => `unset ${name}`,
    }),
    // An alias of that name would be put in place of the word in the definition, so it goes first.
    ...(wrapAws
      ? [
          'unalias aws 2>/dev/null || true',
          `aws() { command aws \${AWS_ENDPOINT_URL:+${OPTION}} "$@"; }`,
          // Scripts for bash get it from bash.
          `if [ -n "\${BASH_VERSION:-}" ]; then export -f aws; fi`,
        ]
      : []),
  ],
};

const fish: Syntax = {
  usage: (command) => `${command} fish | source`,
  lines: (changes, wrapAws) => [
    ...lines(changes, {
      set: (name, value) => `set -gx ${name} '${value.replace(/[\\']/g, '\\$&')}'`,
      unset: (name) => `set -e ${name}`,
    }),
    ...(wrapAws ? [`function aws; command aws ${OPTION} $argv; end`] : []),
  ],
};

/** Command substitution of the C shell joins lines, so each ends with a semicolon. */
const csh: Syntax = {
  usage: (command) => `eval \`${command} csh\``,
  lines: (changes, wrapAws) => [
    ...lines(changes, {
      set: (name, value) => `setenv ${name} ${posix(value)};`,
      unset: (name) => `unsetenv ${name};`,
    }),
    ...(wrapAws ? [`alias aws 'aws ${OPTION}';`] : []),
  ],
};

export const SHELLS: Readonly<Record<Shell, Syntax>> = { sh, fish, csh, tcsh: csh };

function lines(
  changes: EnvironmentChanges,
  write: { readonly set: (name: string, value: string) => string; readonly unset: (name: string) => string },
): string[] {
  return Object.entries(changes).map(([name, value]) =>
    value === undefined ? write.unset(name) : write.set(name, value),
  );
}

function posix(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}
