/**
 * An error as an AWS service reports it: `code` is the AWS error code, `status` the HTTP status. The wire
 * layer gives it the shape that each protocol prescribes.
 */
export class AwsFault extends Error {
  readonly code: string;
  readonly status: number;
  /** Further members of the modelled error shape. */
  readonly members: Record<string, unknown>;

  constructor(code: string, message: string, status = 400, members: Record<string, unknown> = {}) {
    super(message);
    this.name = 'AwsFault';
    this.code = code;
    this.status = status;
    this.members = members;
  }
}

/** A mistake that the user can mend: the message says what is wrong and what to do. */
export class UserError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UserError';
    this.code = code;
  }
}

/** A broken assumption inside the engine: always a bug, never the caller's fault. */
export class InvariantError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InvariantError';
  }
}
