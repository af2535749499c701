/** Raised when the worker cannot start as it is configured; the message lists all problems and what to do. */
export class UserError extends Error {
  override readonly name = 'UserError';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** A bug of the worker itself: its own books do not add up. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** The name of an error in the log: its class, or the kind of value that was thrown. */
export function classOf(error: unknown): string {
  try {
    if (error instanceof Error) return String(error.name || 'Error');
    return error === null ? 'thrown null' : `thrown ${typeof error}`;
  } catch {
    return 'thrown object';
  }
}

const TEXT_LENGTH_MAX = 1_000;

/** An error in words, whatever was thrown: objects that cannot be printed do not bring the worker down. */
export function textOf(error: unknown): string {
  try {
    const text = error instanceof Error ? error.message : typeof error === 'string' ? error : print(error);
    return text.length > TEXT_LENGTH_MAX ? `${text.slice(0, TEXT_LENGTH_MAX)}...` : text;
  } catch {
    return 'a value that cannot be printed';
  }
}

function print(value: unknown): string {
  return typeof value === 'object' && value !== null
    ? (JSON.stringify(value) ?? String(value))
    : String(value);
}
