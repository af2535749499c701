import { GetParameterCommand, PutParameterCommand, type SSMClient } from '@aws-sdk/client-ssm';
import { formatRecord, parseRecord, type RecordReading, type ReleaseRecord } from '@queue-canary/core';
import { done, type Outcome, type RecordGateway } from '../gateways.ts';
import { awsErrorCode } from '../thrown.ts';
import { UserError } from '../user-error.ts';

interface Version {
  readonly value: string;
  readonly version: number;
  /** No older version was written after that, epoch milliseconds: one that was is of a parameter that was created again. */
  readonly olderUntil: number;
}

/** How often, and how far apart, a version is asked for that was written a moment ago. */
const readsMax = 8;
const readAgainMs = 1_000;

/**
 * The durable record and the image of the template, in two SSM parameters.
 *
 * Parameters are eventually consistent (https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1613),
 * so what was read or written here is not forgotten for an older answer.
 */
export class AwsRecordGateway implements RecordGateway {
  readonly #client: SSMClient;
  readonly #releaseParameter: string;
  readonly #imageParameter: string;
  readonly #sleep: (ms: number) => Promise<void>;
  #known: Version | undefined;

  constructor(
    client: SSMClient,
    parameters: { readonly releaseParameter: string; readonly imageParameter: string },
    sleep: (ms: number) => Promise<void>,
  ) {
    this.#client = client;
    this.#sleep = sleep;
    this.#releaseParameter = parameters.releaseParameter;
    this.#imageParameter = parameters.imageParameter;
  }

  async read(): Promise<RecordReading> {
    const { value, version } = await this.#newest();
    const parsed = parseRecord(value);
    if (!parsed.ok) {
      throw new UserError(
        'RecordUnreadable',
        `the release record in parameter ${this.#releaseParameter} cannot be read: ${parsed.problem}. Put back an earlier version of the parameter (its history has them), or {"version":1} to begin anew`,
      );
    }
    return { record: parsed.record, version };
  }

  /**
   * Writes only if the parameter is still at the version that was observed.
   *
   * `PutParameter` has no compare-and-set. The version is read just before the write, which leaves what an old answer
   * does not show and the moment between the two calls. A writer in between is noticed by the version that the write
   * got: its text, which nothing else may hold, is put back, and the conflict reported.
   */
  async write(next: ReleaseRecord, ifVersion: number): Promise<Outcome> {
    const { version, olderUntil } = await this.#newest();
    if (version !== ifVersion) {
      return { kind: 'conflict', detail: `the record is at version ${version}, not ${ifVersion}` };
    }
    const value = formatRecord(next);
    const written = await this.#put(this.#releaseParameter, value);
    if (written === ifVersion + 1) {
      this.#known = { value, version: written, olderUntil };
      return done;
    }
    const theirs = await this.#overwritten(written - 1);
    const again = await this.#put(this.#releaseParameter, theirs.value);
    this.#known = { ...theirs, version: again };
    return {
      kind: 'conflict',
      detail: `somebody wrote the record at the same time: ours became version ${written}, expected ${ifVersion + 1}; theirs was put back as version ${again}`,
    };
  }

  async readImage(): Promise<string> {
    return (await this.#get(this.#imageParameter)).value;
  }

  async writeImage(imageUri: string): Promise<Outcome> {
    await this.#put(this.#imageParameter, imageUri);
    return done;
  }

  /** The newest version of the record that is known. */
  async #newest(): Promise<Version> {
    const answer = await this.#get(this.#releaseParameter);
    const known = this.#known;
    if (known && answer.version < known.version && answer.olderUntil <= known.olderUntil) return known;
    this.#known = answer;
    return answer;
  }

  /** A version of the record that is not the newest any more, and may not be answered with yet. */
  async #overwritten(version: number): Promise<Version> {
    for (let read = 1; read <= readsMax; read += 1) {
      try {
        return await this.#get(`${this.#releaseParameter}:${version}`);
      } catch (error) {
        if (awsErrorCode(error) !== 'ParameterVersionNotFound') throw error;
        await this.#sleep(readAgainMs);
      }
    }
    throw new UserError(
      'RecordOverwritten',
      `version ${version} of parameter ${this.#releaseParameter} was overwritten by version ${version + 1}, and cannot be read to put it back; write its text again (its history has it)`,
    );
  }

  async #put(name: string, value: string): Promise<number> {
    const { Version: version } = await this.#client.send(
      new PutParameterCommand({ Name: name, Value: value, Type: 'String', Overwrite: true }),
    );
    return version ?? 0;
  }

  async #get(name: string): Promise<Version> {
    try {
      const { Parameter: parameter } = await this.#client.send(new GetParameterCommand({ Name: name }));
      return {
        value: parameter?.Value ?? '',
        version: parameter?.Version ?? 0,
        olderUntil: parameter?.LastModifiedDate?.getTime() ?? 0,
      };
    } catch (error) {
      if (awsErrorCode(error) !== 'ParameterNotFound') throw error;
      throw new UserError(
        'ParameterNotFound',
        `there is no parameter ${name}; deploy the stack that owns it`,
        { cause: error },
      );
    }
  }
}
