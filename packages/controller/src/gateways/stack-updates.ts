import type { SSMClient } from '@aws-sdk/client-ssm';
import {
  formatStackUpdates,
  parseStackUpdates,
  replaced,
  type StackUpdate,
  type StackUpdates,
} from '@queue-canary/core';
import { done, type Outcome, type StackUpdateGateway } from '../gateways.ts';
import { answerTo, type Put } from '../stack-update-answer.ts';
import { UserError } from '../user-error.ts';
import { Parameter } from './parameter.ts';

/** The stack update that is under way, in a parameter that its checkpoint writes, and the way to answer CloudFormation. */
export class AwsStackUpdateGateway implements StackUpdateGateway {
  readonly #parameter: Parameter;
  readonly #put: Put;

  constructor(client: SSMClient, parameterName: string, put: Put) {
    this.#parameter = new Parameter(client, parameterName);
    this.#put = put;
  }

  async read(): Promise<StackUpdate | undefined> {
    return (await this.#newest()).update;
  }

  async #newest(): Promise<StackUpdates> {
    const parsed = parseStackUpdates((await this.#parameter.newest()).value);
    if (parsed.ok) return parsed;
    throw new UserError(
      'StackUpdateUnreadable',
      `the stack update in parameter ${this.#parameter.name} cannot be read: ${parsed.problem}. Write {} to it; a stack update that waits fails after an hour and can be repeated`,
    );
  }

  async answer(
    update: StackUpdate,
    answer: { readonly success: boolean; readonly reason: string; readonly next?: StackUpdate },
  ): Promise<Outcome> {
    await answerTo(update, answer, this.#put);
    return this.#replace(update, answer.next);
  }

  forget(update: StackUpdate): Promise<Outcome> {
    return this.#replace(update, undefined);
  }

  /** Only what was acted upon is replaced: CloudFormation may have asked again. */
  async #replace(update: StackUpdate, next: StackUpdate | undefined): Promise<Outcome> {
    const present = await this.#newest();
    if (present.update?.requestId !== update.requestId) {
      return { kind: 'conflict', detail: 'CloudFormation has asked again' };
    }
    await this.#parameter.put(formatStackUpdates(replaced(present, next)));
    return done;
  }
}
