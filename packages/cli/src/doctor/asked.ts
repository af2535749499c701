import { explain } from '../user-error.ts';
import { type Check, failure, warning } from './check.ts';

const DENIED = ['AccessDenied', 'AccessDeniedException', 'UnauthorizedOperation', 'AuthorizationError'];

/** A check that AWS may refuse to answer. What is not known is no pass; it is no failure of the account either. */
export async function asked(name: string, permission: string, check: () => Promise<Check>): Promise<Check> {
  try {
    return await check();
  } catch (error) {
    if (DENIED.includes((error as Error).name)) {
      return warning(
        name,
        `not checked: these credentials may not ${permission}`,
        `allow ${permission}, or ask somebody with that permission to run "queue-canary doctor"`,
      );
    }
    return failure(
      name,
      `could not be checked: ${explain(error)}`,
      'run "queue-canary doctor" again; if the failure persists, fix what the message names',
    );
  }
}
