import { AwsFault } from '../../errors.ts';
import { compileEventPattern, type EventPattern, EventPatternError } from '../../event-pattern.ts';

/** Entries of a page, unless the caller wants fewer. */
export const PAGE = 100;

export function compilePattern(text: string): EventPattern {
  try {
    return compileEventPattern(text);
  } catch (error) {
    if (!(error instanceof EventPatternError)) throw error;
    throw new AwsFault(
      'InvalidEventPatternException',
      `Event pattern is not valid. Reason: ${error.message}`,
    );
  }
}

export function invalid(message: string): AwsFault {
  return new AwsFault('ValidationException', message);
}

export function invalidToken(): AwsFault {
  return new AwsFault('ValidationException', 'The NextToken is invalid.');
}
