/** A mistake that the user can mend; the message says what is wrong and what to do. Shown without a stack. */
export class CliError extends Error {
  override readonly name = 'CliError';
}

/** What an error says to a person: its message, with the AWS error code where there is one. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(explain).join('; ');
  const plain = ['Error', 'CliError', 'UserError', 'TypeError'].includes(error.name);
  return plain ? error.message : `${error.name}: ${error.message}`;
}
