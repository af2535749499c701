import { runInNewContext } from 'node:vm';

const MATCH_MS_MAX = 50;

/**
 * Whether the whole text matches a regular expression that a user wrote. It may take for ever on some text, so it runs
 * where it can be stopped: then the answer is `late`, and `invalid` for what is no expression.
 */
export function matchesWithin(pattern: string, text: string): boolean | 'late' | 'invalid' {
  try {
    const program = 'new RegExp("^(?:" + pattern + ")$").test(text)';
    return runInNewContext(program, { pattern, text }, { timeout: MATCH_MS_MAX }) as boolean;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT' ? 'late' : 'invalid';
  }
}
