import type { BuildContext } from './copy-plan.ts';
import type { Instruction } from './dockerfile.ts';
import type { ImageLibrary, LibraryImage } from './image-library.ts';

/** Runs a command of the build in the image's files; resolves to its exit code. */
export type RunCommand = (request: {
  readonly words: readonly string[];
  /** Directory with the files of the image so far. */
  readonly root: string;
  /** Working directory as the image names it. */
  readonly workingDirectory: string;
  /** The image's environment and the declared build arguments. */
  readonly env: Readonly<Record<string, string>>;
}) => Promise<number>;

export interface BuilderOptions {
  readonly library: ImageLibrary;
  /** Version of the Node that stands for Node bases, such as `24.1.0`. */
  readonly nodeVersion: string;
  /** Empty directory of this build; removed afterwards. */
  readonly scratch: string;
  readonly run: RunCommand;
  /** Finds a base by name in the engine's registry. */
  readonly findBase: (image: string) => Promise<LibraryImage | undefined>;
  readonly print: (line: string) => void;
}

export interface BuildRequest {
  readonly instructions: readonly Instruction[];
  readonly context: BuildContext;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** `os/architecture` to record; this machine's by default. */
  readonly platform?: string;
  /** Name or number of the stage that is wanted; the last by default. */
  readonly target?: string;
  readonly noCache: boolean;
}
