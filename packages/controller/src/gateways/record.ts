import { GetParameterCommand, PutParameterCommand, type SSMClient } from '@aws-sdk/client-ssm';
import { formatRecord, parseRecord, type RecordReading, type ReleaseRecord } from '@queue-canary/core';
import { done, type Outcome, type RecordGateway } from '../gateways.ts';
import { awsErrorCode } from '../thrown.ts';
import { UserError } from '../user-error.ts';

/** The durable record and the image of the template, in two SSM parameters. */
export class AwsRecordGateway implements RecordGateway {
  readonly #client: SSMClient;
  readonly #releaseParameter: string;
  readonly #imageParameter: string;

  constructor(
    client: SSMClient,
    parameters: { readonly releaseParameter: string; readonly imageParameter: string },
  ) {
    this.#client = client;
    this.#releaseParameter = parameters.releaseParameter;
    this.#imageParameter = parameters.imageParameter;
  }

  async read(): Promise<RecordReading> {
    const { value, version } = await this.#get(this.#releaseParameter);
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
   * `PutParameter` has no compare-and-set. The version is read just before the write, which leaves the
   * moment between the two calls; a writer in that moment is noticed by the version that the write got, and
   * reported as a conflict after its text was overwritten. Running the function with a concurrency of one
   * closes the gap between controllers.
   */
  async write(next: ReleaseRecord, ifVersion: number): Promise<Outcome> {
    const { version } = await this.#get(this.#releaseParameter);
    if (version !== ifVersion) {
      return { kind: 'conflict', detail: `the record is at version ${version}, not ${ifVersion}` };
    }
    const output = await this.#client.send(
      new PutParameterCommand({
        Name: this.#releaseParameter,
        Value: formatRecord(next),
        Type: 'String',
        Overwrite: true,
      }),
    );
    return output.Version === ifVersion + 1
      ? done
      : {
          kind: 'conflict',
          detail: `somebody wrote the record at the same time: version ${output.Version}, expected ${ifVersion + 1}`,
        };
  }

  async readImage(): Promise<string> {
    return (await this.#get(this.#imageParameter)).value;
  }

  async writeImage(imageUri: string): Promise<Outcome> {
    await this.#client.send(
      new PutParameterCommand({
        Name: this.#imageParameter,
        Value: imageUri,
        Type: 'String',
        Overwrite: true,
      }),
    );
    return done;
  }

  async #get(name: string): Promise<{ readonly value: string; readonly version: number }> {
    try {
      const { Parameter: parameter } = await this.#client.send(new GetParameterCommand({ Name: name }));
      return { value: parameter?.Value ?? '', version: parameter?.Version ?? 0 };
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
