import { CliError } from '../packages/cli/src/user-error.ts';

/** Environment variables, as a runner sets them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What a workflow gives the action; action.yml describes each and has the defaults. */
export interface Inputs {
  /** The release: of an image that is to be released, or one that was started before. */
  readonly release: { readonly image: string } | { readonly executionId: string };
  readonly app: string;
  readonly region: string | undefined;
  readonly wait: boolean;
  /** How the release is shown on GitHub; absent without a token. */
  readonly deployment: { readonly token: string; readonly environment: string } | undefined;
}

/** Reads the inputs; an error that says what to change where they make no sense. */
export function readInputs(environment: Environment): Inputs {
  // The runner's own form of the name.
  const input = (name: string) => environment[`INPUT_${name.toUpperCase()}`]?.trim() ?? '';
  const wait = input('wait');
  if (wait !== 'true' && wait !== 'false')
    throw new CliError(`the input wait must be true or false, not "${wait}"`);
  const app = input('app-name');
  if (!/^[A-Za-z][A-Za-z0-9-]{0,39}$/.test(app)) {
    throw new CliError(
      `the input app-name must be a letter, then up to 39 letters, digits or -, not "${app}"`,
    );
  }
  const token = input('token');
  if (token !== '' && input('environment') === '') {
    throw new CliError('the input environment is empty: name the environment of the deployment on GitHub');
  }
  const release = releaseIn(input('image'), input('execution-id'));
  if (wait === 'false' && 'executionId' in release) {
    throw new CliError('the input execution-id follows a release, so the input wait must be true');
  }
  return {
    release,
    app,
    region: input('region') || undefined,
    wait: wait === 'true',
    deployment: token === '' ? undefined : { token, environment: input('environment') },
  };
}

function releaseIn(image: string, executionId: string): Inputs['release'] {
  if (image !== '' && executionId !== '') {
    throw new CliError(
      'the inputs image and execution-id are both given: image starts a release, execution-id follows one; give one of them',
    );
  }
  if (image !== '') return { image };
  if (executionId !== '') return { executionId };
  // Never the newest release instead: an image that a step before did not name would pass with what was promoted last.
  throw new CliError(
    'the input image is empty: name the image to release as REPOSITORY@sha256:..., or with execution-id a release to follow',
  );
}
