import type { CommandForm } from './dockerfile-arguments.ts';
import { DockerfileError, NEEDS_CONTAINER_ENGINE } from './dockerfile-error.ts';
import { hereDocumentsIn } from './dockerfile-lines.ts';
import { type ShellWord, simpleCommands } from './shell-words.ts';

/** Programs that change the machine itself: its packages, users, mounts or services. */
const CHANGES_MACHINE = new Set([
  'apt',
  'apt-get',
  'aptitude',
  'apk',
  'dnf',
  'dpkg',
  'microdnf',
  'rpm',
  'yum',
  'zypper',
  'pacman',
  'brew',
  'useradd',
  'adduser',
  'usermod',
  'userdel',
  'groupadd',
  'addgroup',
  'groupmod',
  'passwd',
  'chpasswd',
  'su',
  'sudo',
  'gosu',
  'mount',
  'umount',
  'chroot',
  'systemctl',
  'service',
  'ldconfig',
  'locale-gen',
  'update-ca-certificates',
  'update-alternatives',
  'dpkg-reconfigure',
  'setcap',
  'sysctl',
  'shutdown',
  'reboot',
]);

const HARMLESS_PATHS = new Set([
  '/dev/null',
  '/dev/stdin',
  '/dev/stdout',
  '/dev/stderr',
  '/dev/zero',
  '/dev/urandom',
  '/bin/sh',
  '/bin/bash',
  '/usr/bin/env',
  '/usr/bin/node',
  '/usr/local/bin/node',
]);

/** Programs that run the program named after them. */
const RUN_ANOTHER = new Set(['exec', 'env', 'command', 'xargs', 'nice', 'nohup', 'time', 'builtin', 'eval']);
/** Programs that print what they are given: a path among it is a word like others. */
const PRINTERS = new Set(['echo', 'printf', ':', 'true']);
/** Programs whose quoted arguments are programs or patterns of their own language. */
const INTERPRETERS = new Set(['sed', 'grep', 'egrep', 'awk', 'gawk', 'perl', 'jq', 'tr', 'test', '[', '[[']);
const SHELLS = new Set(['sh', 'bash', 'dash']);

/**
 * What is wrong with a RUN that would touch the machine instead of the image; undefined when nothing is.
 *
 * RUN works in a directory of the host, so an absolute path or a package manager would reach the machine's own
 * files. This reads the text only: it keeps honest Dockerfiles honest and is no protection against
 * malice, which a build on the host cannot give.
 */
export function hostChange(command: CommandForm, line: number): DockerfileError | undefined {
  const commands =
    command.form === 'shell'
      ? simpleCommands(withoutDocuments(command.text))
      : [command.words.map((text) => ({ text, quoted: false, redirected: false }))];
  const found = firstChange(commands);
  return found === undefined
    ? undefined
    : new DockerfileError('UnsupportedInstruction', line, `${found} ${NEEDS_CONTAINER_ENGINE}.`);
}

/** A shell text without its here-documents, which are input and no commands. */
function withoutDocuments(text: string): string {
  const kept: string[] = [];
  let open: ReturnType<typeof hereDocumentsIn> = [];
  for (const line of text.split('\n')) {
    const [document, ...later] = open;
    if (document === undefined) {
      kept.push(line);
      open = hereDocumentsIn(line);
    } else if ((document.stripsTabs ? line.replace(/^\t+/, '') : line) === document.name) open = later;
  }
  return kept.join('\n');
}

function firstChange(commands: readonly (readonly ShellWord[])[]): string | undefined {
  for (const words of commands) {
    const { program, rest } = programOf(words);
    if (program !== undefined && CHANGES_MACHINE.has(program))
      return `RUN ${program} changes the machine that it runs on, and`;
    if (program !== undefined && SHELLS.has(program)) {
      const script = rest[rest.findIndex(({ text }) => /^-\w*c$/.test(text)) + 1];
      const inner = script?.quoted === true ? firstChange(simpleCommands(script.text)) : undefined;
      if (inner !== undefined) return inner;
    }
    for (const word of words) {
      const path = absolutePath(word, program);
      if (path !== undefined && !HARMLESS_PATHS.has(path))
        return `RUN with the absolute path "${path}" would use the machine's own files (write paths relative to WORKDIR), and`;
    }
  }
  return undefined;
}

/** The program that a simple command runs, without assignments and programs that only run another. */
function programOf(words: readonly ShellWord[]): { program: string | undefined; rest: readonly ShellWord[] } {
  const rest = words.filter(({ redirected }) => !redirected);
  let index = 0;
  let another = false;
  for (; index < rest.length; index++) {
    const { text } = rest[index]!;
    if (/^\w+\+?=/.test(text) || (another && /^(-|\d+$)/.test(text))) continue;
    if (!RUN_ANOTHER.has(text)) break;
    another = true;
  }
  const program = rest[index]?.text;
  return { program: program?.slice(program.lastIndexOf('/') + 1), rest: rest.slice(index + 1) };
}

function absolutePath({ text, quoted, redirected }: ShellWord, program = ''): string | undefined {
  if (!redirected && (PRINTERS.has(program) || (quoted && INTERPRETERS.has(program)))) return undefined;
  // A quoted word with blanks is a text: a program for node, a message, a format.
  if (quoted && /\s/.test(text)) return undefined;
  const value = /^(?:-{1,2}[\w-]+=?|[\w.-]+\+?=|@)?(.*)$/s.exec(text)?.[1] ?? '';
  return value.split(/[:,](?!\/\/)/).find((part) => /^\/(?!\/)/.test(part));
}
