import type { ContainerConfig, ImageConfig } from '../oci/image-format.ts';
import type { Instruction } from './dockerfile.ts';
import type { CommandForm } from './dockerfile-arguments.ts';
import { DockerfileError } from './dockerfile-error.ts';

type MutableConfig = { -readonly [Key in keyof ContainerConfig]: ContainerConfig[Key] };

const DEFAULT_SHELL = ['/bin/sh', '-c'];

/** What an image's configuration says, as far as instructions set it that change no file. */
export class ImageSettings {
  readonly env: Record<string, string> = {};
  readonly #config: MutableConfig = {};
  #author: string | undefined;
  #commandFromBase = false;

  get workingDirectory(): string {
    return this.#config.WorkingDir || '/';
  }

  set workingDirectory(path: string) {
    this.#config.WorkingDir = path;
  }

  inherit(config: ContainerConfig, author?: string): void {
    this.#author = author;
    Object.assign(this.#config, config);
    this.#commandFromBase = config.Cmd !== undefined;
    for (const item of config.Env ?? []) {
      const equals = item.indexOf('=');
      this.env[item.slice(0, equals)] = item.slice(equals + 1);
    }
  }

  configure(instruction: Instruction, expand: (text: string) => string): void {
    switch (instruction.kind) {
      case 'ENV': {
        const values = instruction.pairs.map(({ name, value }) => ({
          name,
          value: expand(value),
        }));
        for (const { name, value } of values) this.env[name] = value;
        return;
      }
      case 'LABEL': {
        const labels = instruction.pairs.map(({ name, value }) => [expand(name), expand(value)] as const);
        this.#config.Labels = { ...this.#config.Labels, ...Object.fromEntries(labels) };
        return;
      }
      case 'USER':
        this.#config.User = expand(instruction.user);
        return;
      case 'CMD':
        this.#config.Cmd = this.words(instruction.command);
        this.#commandFromBase = false;
        return;
      case 'ENTRYPOINT':
        this.#config.Entrypoint = this.words(instruction.command);
        // As in Docker, a new entry point takes away a command that only the base has set.
        if (this.#commandFromBase) delete this.#config.Cmd;
        return;
      case 'EXPOSE': {
        const ports = instruction.ports
          .flatMap((port) => expand(port).split(/\s+/))
          .map((port) => exposedPort(port, instruction.line));
        this.#config.ExposedPorts = {
          ...this.#config.ExposedPorts,
          ...Object.fromEntries(ports.map((port) => [port, {}])),
        };
        return;
      }
      case 'STOPSIGNAL':
        this.#config.StopSignal = expand(instruction.signal);
        return;
      case 'VOLUME': {
        const paths = instruction.paths.map((path) => expand(path));
        this.#config.Volumes = {
          ...this.#config.Volumes,
          ...Object.fromEntries(paths.map((path) => [path, {}])),
        };
        return;
      }
      case 'SHELL':
        this.#config.Shell = instruction.words;
        return;
      case 'HEALTHCHECK':
        this.#config.Healthcheck = { ...instruction.check };
        return;
      case 'MAINTAINER':
        this.#author = instruction.name;
        return;
    }
  }

  words(command: CommandForm): readonly string[] {
    return command.form === 'exec' ? command.words : [...(this.#config.Shell ?? DEFAULT_SHELL), command.text];
  }

  /** The configuration, with the labels that the command line gives. */
  finished(given: Readonly<Record<string, string>>): Pick<ImageConfig, 'author' | 'config'> {
    const labels = { ...this.#config.Labels, ...given };
    return {
      ...(this.#author === undefined ? {} : { author: this.#author }),
      config: {
        ...this.#config,
        Env: Object.entries(this.env).map(([name, value]) => `${name}=${value}`),
        ...(Object.keys(labels).length === 0 ? {} : { Labels: labels }),
      },
    };
  }
}

function exposedPort(port: string, line: number): string {
  const match = /^(\d{1,5})(?:\/(tcp|udp))?$/.exec(port);
  if (match === null)
    throw new DockerfileError('InvalidDockerfile', line, `"${port}" is not a port such as 8080 or 53/udp.`);
  return `${match[1]}/${match[2] ?? 'tcp'}`;
}
