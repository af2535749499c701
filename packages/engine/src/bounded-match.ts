import { runInNewContext } from 'node:vm';

const MATCH_MS_MAX = 50;

/**
 * Whether the whole text matches a regular expression that a user wrote. It may take for ever on some text, so it runs
 * where it can be stopped: then the answer is `late`, and `invalid` for what is no expression.
 */
export function matchesWithin(pattern: string, text: string): boolean | 'late' | 'invalid' {
  const program = 'new RegExp("^(?:" + pattern + ")$").test(text)';
  const before = process.cpuUsage();
  for (;;) {
    try {
      return runInNewContext(program, { pattern, text }, { timeout: MATCH_MS_MAX }) as boolean;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') return 'invalid';
    }
    // On a busy machine the time passes without a turn of this process: then it was not the expression.
    const { user, system } = process.cpuUsage(before);
    if (user + system >= MATCH_MS_MAX * 1000) return 'late';
  }
}
