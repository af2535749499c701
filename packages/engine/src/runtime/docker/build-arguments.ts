import { hostArchitecture } from '../oci/image-format.ts';
import type { InstructionOf } from './dockerfile.ts';
import { DockerfileError } from './dockerfile-error.ts';
import { expandVariables } from './expand-variables.ts';

/** Arguments that every build has without declaring them. Their values do not count for the cache. */
export const PREDEFINED = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap(
  (name) => [name, name.toLowerCase()],
);

/**
 * The arguments of a build: what the command line gives, and what ARG before the first FROM declares. Those serve FROM,
 * and a stage that names them again.
 */
export class BuildArguments {
  readonly #given: Readonly<Record<string, string>>;
  readonly #declared: Record<string, string> = {};
  readonly #platform: Readonly<Record<string, string>>;
  readonly #used = new Set<string>();

  constructor(
    given: Readonly<Record<string, string>>,
    platform: { readonly os: string; readonly architecture: string },
  ) {
    this.#given = given;
    const { os, architecture } = platform;
    this.#platform = {
      BUILDPLATFORM: `linux/${hostArchitecture()}`,
      BUILDOS: 'linux',
      BUILDARCH: hostArchitecture(),
      TARGETPLATFORM: `${os}/${architecture}`,
      TARGETOS: os,
      TARGETARCH: architecture,
    };
  }

  declare(instruction: InstructionOf<'ARG'>): void {
    for (const { name, value: fallback } of instruction.names) {
      const value =
        this.given(name) ?? (fallback === undefined ? undefined : this.expand(fallback, instruction));
      if (value !== undefined) this.#declared[name] = value;
    }
  }

  /** What the command line gives; asking for it counts as a use. */
  given(name: string): string | undefined {
    this.#used.add(name);
    return Object.hasOwn(this.#given, name) ? this.#given[name] : undefined;
  }

  value(name: string): string | undefined {
    return this.#declared[name] ?? this.#platform[name];
  }

  /** The text of a FROM, or of an ARG before it. */
  expand(text: string, { line }: { readonly line: number }): string {
    try {
      return expandVariables(text, { ...this.#platform, ...this.#declared });
    } catch (error) {
      throw new DockerfileError(
        'InvalidDockerfile',
        line,
        error instanceof Error ? error.message : String(error),
      );
    }
  }

  /** What is given and nobody asked for. BuildKit's own settings are for BuildKit. */
  unused(): string[] {
    return Object.keys(this.#given).filter(
      (name) => !this.#used.has(name) && !PREDEFINED.includes(name) && !name.startsWith('BUILDKIT_'),
    );
  }
}
