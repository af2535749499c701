import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import { writeFileAtomic } from '../atomic-file.ts';

interface DockerConfig {
  auths?: Record<string, { auth?: string }>;
}

/**
 * Registry logins of one build, in the directory that `DOCKER_CONFIG` names.
 *
 * There is no default directory: a build must never touch the logins of the person who runs the engine.
 */
export class DockerCredentials {
  readonly #directory: string | undefined;
  readonly #newId: () => string;

  constructor(directory: string | undefined, newId: () => string) {
    this.#directory = directory;
    this.#newId = newId;
  }

  /** Base64 of `user:password` for the registry host, or undefined when nobody has logged in. */
  find(host: string): string | undefined {
    return this.#directory === undefined ? undefined : this.#read(this.#directory).auths?.[host]?.auth;
  }

  save(host: string, user: string, password: string): void {
    const auth = Buffer.from(`${user}:${password}`).toString('base64');
    this.#change((config) => ({ ...config, auths: { ...config.auths, [host]: { auth } } }));
  }

  /** False when there was no login. */
  forget(host: string): boolean {
    if (this.find(host) === undefined) return false;
    this.#change(({ auths = {}, ...config }) => ({
      ...config,
      auths: Object.fromEntries(Object.entries(auths).filter(([name]) => name !== host)),
    }));
    return true;
  }

  #change(change: (config: DockerConfig) => DockerConfig): void {
    if (this.#directory === undefined || this.#directory === '') {
      throw new UserError(
        'NoDockerConfig',
        'DOCKER_CONFIG is not set, so there is no place for this login. Set it to a directory of the build.',
      );
    }
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const config = change(this.#read(this.#directory));
    writeFileAtomic(
      configPath(this.#directory),
      `${JSON.stringify(config, null, 2)}\n`,
      this.#newId(),
      0o600,
    );
  }

  #read(directory: string): DockerConfig {
    const path = configPath(directory);
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as DockerConfig) : {};
  }
}

function configPath(directory: string): string {
  return join(directory, 'config.json');
}
