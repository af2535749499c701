export interface DockerCommandOptions {
  /** Address of the engine, such as `http://127.0.0.1:4566`; its registry is below `/v2`. */
  readonly registryUrl: string;
  /** The registry's name in AWS, which means the same one here. */
  readonly registryHost: string;
  /** Where images and the build cache are kept. */
  readonly stateDirectory: string;
  readonly nodePath: string;
  readonly nodeVersion: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly newId: () => string;
  readonly readInput: () => Promise<string>;
  /** Writes one line to standard output. */
  readonly print: (line: string) => void;
  /** Writes one line to standard error. */
  readonly warn: (line: string) => void;
}
