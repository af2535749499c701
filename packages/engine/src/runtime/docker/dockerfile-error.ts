import { UserError } from '../../errors.ts';

/** A mistake in a Dockerfile, or something that the built-in builder does not do. */
export class DockerfileError extends UserError {
  readonly line: number;

  constructor(code: 'InvalidDockerfile' | 'UnsupportedInstruction', line: number, message: string) {
    super(code, `Dockerfile line ${line}: ${message}`);
    this.line = line;
  }
}

/** What to say about something that only a real container build can do. */
export const NEEDS_CONTAINER_ENGINE =
  'is not supported without a container engine. Install and start Docker or Podman (tasks still run as processes of this machine), or leave it out';

export function unsupported(what: string, line: number): DockerfileError {
  return new DockerfileError('UnsupportedInstruction', line, `${what} ${NEEDS_CONTAINER_ENGINE}.`);
}

/** Throws when there are errors: all of them at once, in the order of their lines. */
export function throwAll(errors: readonly DockerfileError[]): void {
  const [first, ...more] = [...errors].sort((a, b) => a.line - b.line);
  if (first === undefined) return;
  if (more.length === 0) throw first;
  throw new UserError(first.code, [first, ...more].map(({ message }) => message).join('\n'));
}
