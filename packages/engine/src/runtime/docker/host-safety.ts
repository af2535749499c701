import { DockerfileError, NEEDS_CONTAINER_ENGINE } from './dockerfile.ts';

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

const COMMAND_WORD =
  /(?:^|[;&|(\n])\s*(?:(?:if|then|do|else|elif|while|until|exec|env|command|xargs|time|!|\w+=\S*)\s+)*([\w.+-]+)/g;
const ABSOLUTE_PATH = /(?:^|[\s"'=:;|&<>(`,])(\/(?!\/)[^\s"';|&<>)`,]*)/g;

/**
 * Refuses a RUN that would touch the machine instead of the image.
 *
 * RUN works in a directory of the host, so an absolute path or a package manager would reach the machine's own
 * files. This reads the text only: it keeps honest Dockerfiles honest and is no protection against
 * malice, which a build on the host cannot give.
 */
export function refuseHostChanges(text: string, line: number): void {
  for (const match of text.matchAll(COMMAND_WORD)) {
    const program = match[1]!;
    if (CHANGES_MACHINE.has(program))
      throw refusal(line, `RUN ${program} changes the machine that it runs on, and`);
  }
  for (const match of text.matchAll(ABSOLUTE_PATH)) {
    const path = match[1]!;
    if (!HARMLESS_PATHS.has(path)) {
      throw refusal(
        line,
        `RUN with the absolute path "${path}" would use the machine's own files (write paths relative to WORKDIR), and`,
      );
    }
  }
}

function refusal(line: number, what: string): DockerfileError {
  return new DockerfileError('UnsupportedInstruction', line, `${what} ${NEEDS_CONTAINER_ENGINE}.`);
}
