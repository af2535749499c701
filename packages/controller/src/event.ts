import type { Job } from '@queue-canary/core';
import { UserError } from './user-error.ts';

/** What an invocation asks for. */
export type Request =
  /** Look now; what happened is observed, never taken from the event. */
  | { readonly kind: 'wake'; readonly source: string }
  | { readonly kind: 'job'; readonly job: Job }
  /** A job whose parameters cannot be read: its action must fail, and not wait for an answer. */
  | { readonly kind: 'unreadableJob'; readonly jobId: string; readonly reason: string }
  | { readonly kind: 'rollback'; readonly executionId?: string; readonly reason: string };

/**
 * The request that a Lambda event carries.
 *
 * Everything is a wake except a CodePipeline job, which must be answered, and a person's rollback, which
 * must be made durable. An EventBridge event of a kind that this version does not know is a wake too.
 */
export function parseEvent(event: unknown): Request {
  if (!isObject(event)) return { kind: 'wake', source: 'unknown' };
  if (event.queueCanary !== undefined) return personRequest(event);
  const job = event['CodePipeline.job'];
  if (job !== undefined) return jobRequest(job);
  const { source, 'detail-type': detailType } = event;
  return {
    kind: 'wake',
    source: [source, detailType].filter((part) => typeof part === 'string').join(': ') || 'unknown',
  };
}

function personRequest(event: Record<string, unknown>): Request {
  switch (event.queueCanary) {
    case 'wake':
      return { kind: 'wake', source: 'person' };
    case 'rollback': {
      const { executionId, reason } = event;
      if (executionId !== undefined && typeof executionId !== 'string') {
        throw new UserError(
          'InvalidRequest',
          'executionId must be the id of a pipeline execution, as text; leave it out to mean the current release',
        );
      }
      return {
        kind: 'rollback',
        ...(executionId !== undefined && { executionId }),
        reason: typeof reason === 'string' && reason !== '' ? reason : 'a person asked for a rollback',
      };
    }
    default:
      throw new UserError(
        'InvalidRequest',
        `${JSON.stringify(event.queueCanary)} is not a request that the controller knows; use "wake" or "rollback"`,
      );
  }
}

function jobRequest(job: unknown): Request {
  if (!isObject(job) || typeof job.id !== 'string') {
    throw new UserError(
      'InvalidRequest',
      'the event has a CodePipeline.job without an id; only CodePipeline itself can start such a job',
    );
  }
  const { id } = job;
  const configuration = at(job, 'data', 'actionConfiguration', 'configuration');
  const text = isObject(configuration) ? configuration.UserParameters : undefined;
  const parameters = parametersFrom(text);
  if (parameters === undefined) {
    const reason =
      'the user parameters of the Judge and the Record action must be empty or {"executionId":"#{codepipeline.PipelineExecutionId}","action":"<its name>"}';
    return { kind: 'unreadableJob', jobId: id, reason };
  }
  return { kind: 'job', job: { id, ...textIn(parameters, 'executionId'), ...textIn(parameters, 'action') } };
}

/** User parameters may be absent, or JSON that names the execution by CodePipeline's own variable. */
function parametersFrom(userParameters: unknown): Record<string, unknown> | undefined {
  if (userParameters === undefined || userParameters === '') return {};
  try {
    const parameters: unknown = JSON.parse(String(userParameters));
    return isObject(parameters) ? parameters : undefined;
  } catch {
    return undefined;
  }
}

function textIn<K extends string>(document: Record<string, unknown>, field: K): { [P in K]?: string } {
  const text: { [P in K]?: string } = {};
  const value = document[field];
  if (typeof value === 'string') text[field] = value;
  return text;
}

function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((inner, key) => (isObject(inner) ? inner[key] : undefined), value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
