/** A mistake that the user can mend; the message says what is wrong and what to do. Shown without a stack. */
export class CliError extends Error {
  override readonly name = 'CliError';
}

/** What an error says to a person: its message, with the AWS error code where there is one. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(explain).join('; ');
  if (error.message === 'Region is missing') {
    return 'there is no local engine here and no AWS region: start the engine with "queue-canary up", name its directory with --state, or set AWS_REGION to go to AWS';
  }
  if (error.name === 'CredentialsProviderError') {
    return `there are no AWS credentials (${error.message}): log in to AWS, or start the local engine with "queue-canary up"`;
  }
  const plain = ['Error', 'CliError', 'UserError', 'TypeError'].includes(error.name);
  return plain ? error.message : `${error.name}: ${error.message}`;
}
