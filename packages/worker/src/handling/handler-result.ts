import { classOf, textOf } from '../errors.ts';
import type { Outcome } from '../message/handler.ts';
import { type EndingDetails, thrown } from '../reporting/outcome-book.ts';

/** The result of a handler call for one message, whatever the handler did. */
export type HandlerResult =
  | { readonly kind: 'ok' }
  | { readonly kind: 'retry'; readonly delaySeconds: number | undefined; readonly details: EndingDetails }
  | { readonly kind: 'poison'; readonly details: EndingDetails };

const OK: HandlerResult = { kind: 'ok' };

/** The result of a handler that threw. */
export function failure(error: unknown): HandlerResult {
  return { kind: 'retry', delaySeconds: undefined, details: thrown(error) };
}

/** Reads what a handler returned; it may be written in JavaScript and return anything. */
export function resultOf(outcome: unknown): HandlerResult {
  try {
    return outcome === undefined ? OK : readOutcome(Object(outcome) as Record<string, unknown>);
  } catch {
    return invalid('the handler returned an object that cannot be read');
  }
}

/** Reads what a batch handler returned: the result of each message, by its id. */
export function resultsOf(outcomes: unknown): (messageId: string) => HandlerResult {
  if (!(outcomes instanceof Map)) return () => invalid('the batch handler did not return a Map');
  return (messageId) =>
    outcomes.has(messageId)
      ? resultOf(outcomes.get(messageId))
      : invalid('the batch handler returned no outcome for this message', 'MissingOutcome');
}

function invalid(error: string, errorClass = 'InvalidOutcome'): HandlerResult {
  return { kind: 'retry', delaySeconds: undefined, details: { attribution: 'version', errorClass, error } };
}

function readOutcome(outcome: Record<string, unknown>): HandlerResult {
  const { kind, delaySeconds, reason, error } = outcome;
  switch (kind as Outcome['kind']) {
    case 'ok':
      return OK;
    case 'retry':
      return {
        kind: 'retry',
        delaySeconds:
          typeof delaySeconds === 'number' && Number.isFinite(delaySeconds) ? delaySeconds : undefined,
        details: {
          attribution: 'version',
          errorClass: error === undefined ? 'Retry' : classOf(error),
          ...(error === undefined ? {} : { error }),
        },
      };
    case 'poison':
      return {
        kind: 'poison',
        details: {
          attribution: 'version',
          errorClass: error === undefined ? 'Poison' : classOf(error),
          error: error === undefined ? reason : `${textOf(reason)}: ${textOf(error)}`,
        },
      };
    default:
      return invalid(`the handler returned ${textOf(outcome)}, which is not an outcome`);
  }
}
