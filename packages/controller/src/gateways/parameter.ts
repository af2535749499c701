import { GetParameterCommand, PutParameterCommand, type SSMClient } from '@aws-sdk/client-ssm';
import { awsErrorCode } from '../thrown.ts';
import { UserError } from '../user-error.ts';

interface Version {
  readonly value: string;
  readonly version: number;
  /** No older version was written after that, epoch milliseconds: one that was is of a parameter that was created again. */
  readonly olderUntil: number;
}

/**
 * One SSM parameter.
 *
 * Parameters are eventually consistent (https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1613),
 * so what was read or written here is not forgotten for an older answer.
 */
export class Parameter {
  readonly name: string;
  readonly #client: SSMClient;
  #known: Version | undefined;

  constructor(client: SSMClient, name: string) {
    this.#client = client;
    this.name = name;
  }

  async newest(): Promise<Version> {
    const answer = await this.#get(this.name);
    const known = this.#known;
    if (known && answer.version < known.version && answer.olderUntil <= known.olderUntil) return known;
    this.#known = answer;
    return answer;
  }

  async at(version: number): Promise<string> {
    return (await this.#get(`${this.name}:${version}`)).value;
  }

  /** @returns the version that the value became. */
  async put(value: string): Promise<number> {
    const { Version: version = 0 } = await this.#client.send(
      new PutParameterCommand({ Name: this.name, Value: value, Type: 'String', Overwrite: true }),
    );
    this.#known = { value, version, olderUntil: this.#known?.olderUntil ?? 0 };
    return version;
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
