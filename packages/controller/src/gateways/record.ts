import type { SSMClient } from '@aws-sdk/client-ssm';
import {
  formatRecord,
  formatRollbackRequest,
  parseRecord,
  parseRollbackRequest,
  type RecordReading,
  type ReleaseRecord,
  type RollbackRequest,
} from '@queue-canary/core';
import { done, type Outcome, type RecordGateway } from '../gateways.ts';
import { awsErrorCode } from '../thrown.ts';
import { UserError } from '../user-error.ts';
import { Parameter } from './parameter.ts';

/** How often, and how far apart, a version is asked for that was written a moment ago. */
const readsMax = 8;
const readAgainMs = 1_000;

/**
 * The durable record, people's rollback requests and the image of the template, in three SSM parameters.
 */
export class AwsRecordGateway implements RecordGateway {
  readonly #release: Parameter;
  readonly #rollback: Parameter;
  readonly #image: Parameter;
  readonly #sleep: (ms: number) => Promise<void>;

  constructor(
    client: SSMClient,
    names: {
      readonly releaseParameter: string;
      readonly rollbackParameter: string;
      readonly imageParameter: string;
    },
    sleep: (ms: number) => Promise<void>,
  ) {
    this.#release = new Parameter(client, names.releaseParameter);
    this.#rollback = new Parameter(client, names.rollbackParameter);
    this.#image = new Parameter(client, names.imageParameter);
    this.#sleep = sleep;
  }

  async read(): Promise<RecordReading> {
    const [{ value, version }, rollback] = await Promise.all([
      this.#release.newest(),
      this.#rollback.newest(),
    ]);
    const parsed = parseRecord(value);
    if (!parsed.ok) {
      throw new UserError(
        'RecordUnreadable',
        `the release record in parameter ${this.#release.name} cannot be read: ${parsed.problem}. Put back an earlier version of the parameter (its history has them), or {"version":1} to begin again`,
      );
    }
    const asked = parseRollbackRequest(rollback.value);
    if (!asked.ok) {
      throw new UserError(
        'RollbackUnreadable',
        `the rollback request in parameter ${this.#rollback.name} cannot be read: ${asked.problem}. Write {} to it, and ask for the rollback again`,
      );
    }
    return { record: parsed.record, version, ...(asked.request && { rollbackRequest: asked.request }) };
  }

  /**
   * Writes only if the parameter is still at the version that was observed.
   *
   * `PutParameter` has no compare-and-set. The version is read just before the write, which leaves what an old answer
   * does not show and the moment between the two calls. A writer in between is noticed by the version that the write
   * got: its text is put back, and the conflict reported. Where three write at once, one may still be lost; what the
   * record says follows from what is observed, and is written again.
   */
  async write(next: ReleaseRecord, ifVersion: number): Promise<Outcome> {
    const { version } = await this.#release.newest();
    if (version !== ifVersion) {
      return { kind: 'conflict', detail: `the record is at version ${version}, not ${ifVersion}` };
    }
    const written = await this.#release.put(formatRecord(next));
    if (written === ifVersion + 1) return done;
    const again = await this.#release.put(await this.#overwritten(written - 1));
    return {
      kind: 'conflict',
      detail: `somebody wrote the record at the same time: ours became version ${written}, expected ${ifVersion + 1}; theirs was put back as version ${again}`,
    };
  }

  async requestRollback(request: RollbackRequest): Promise<Outcome> {
    await this.#rollback.put(formatRollbackRequest(request));
    return done;
  }

  async readImage(): Promise<string> {
    return (await this.#image.newest()).value;
  }

  async writeImage(imageUri: string): Promise<Outcome> {
    await this.#image.put(imageUri);
    return done;
  }

  /** A version of the record that is not the newest any more, and may not be answered with yet. */
  async #overwritten(version: number): Promise<string> {
    for (let read = 1; read <= readsMax; read += 1) {
      try {
        return await this.#release.at(version);
      } catch (error) {
        if (awsErrorCode(error) !== 'ParameterVersionNotFound') throw error;
        await this.#sleep(readAgainMs);
      }
    }
    throw new UserError(
      'RecordOverwritten',
      `version ${version} of parameter ${this.#release.name} was overwritten by version ${version + 1}, and cannot be read to put it back; write its text again (its history has it)`,
    );
  }
}
