/** Where the worker runs and what it consumes. */
export interface Settings {
  readonly queueUrl: string;
  /** Name of the system, reported with every outcome. */
  readonly app: string;
  /** `canary` or `stable`: which of the two services this task belongs to. */
  readonly track: string;
  /** Commit that the image was built from. */
  readonly revision: string;
  /** Time until a failed message may be delivered again. */
  readonly retryDelaySeconds: number;
}

const longestVisibilitySeconds = 43_200;

/** Raised when the environment does not say what the worker needs; lists all that is missing. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/** Reads the worker's settings from its environment. */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const problems: string[] = [];
  const required = (name: string): string => {
    const value = env[name];
    if (value === undefined || value === '') problems.push(`${name} is not set`);
    return value ?? '';
  };
  const queueUrl = required('QUEUE_URL');
  const app = required('QC_APP');
  const track = required('QC_TRACK');
  const revision = required('QC_REVISION');

  // A second's pause lets a brief failure of something else pass before the deliveries are used up.
  const retryDelay = env.RETRY_DELAY_SECONDS ?? '1';
  const retryDelaySeconds = /^\d+$/.test(retryDelay) ? Number(retryDelay) : Number.NaN;
  if (!(retryDelaySeconds <= longestVisibilitySeconds)) {
    problems.push(
      `RETRY_DELAY_SECONDS must be a whole number from 0 to ${longestVisibilitySeconds}, not "${retryDelay}"`,
    );
  }
  if (problems.length > 0) throw new SettingsError(`The worker cannot start: ${problems.join(', ')}.`);
  return { queueUrl, app, track, revision, retryDelaySeconds };
}
