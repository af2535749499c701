import { parseJsonPattern } from './json-pattern.ts';
import { invalidPattern } from './pattern-fault.ts';

/** Whether a log event's message matches a filter pattern. */
export type FilterPattern = (message: string) => boolean;

interface Term {
  readonly kind: 'required' | 'optional' | 'excluded';
  readonly text: string;
}

/**
 * Compiles a CloudWatch Logs filter pattern: terms (all required), `"exact phrases"`, `?any ?of ?these`,
 * `-excluded`, or a JSON pattern in braces. Terms are case-sensitive and may begin inside a word.
 *
 * As on AWS, `?` terms alongside other terms say nothing, and the empty pattern matches everything.
 * Space-delimited patterns in square brackets and regular expressions in `%` are refused.
 */
export function parseFilterPattern(pattern: string): FilterPattern {
  const text = pattern.trim();
  if (text.length > 1024) throw invalidPattern('it is longer than 1024 characters');
  if (text === '') return () => true;
  if (text.startsWith('{')) return parseJsonPattern(text);
  if (text.startsWith('[')) {
    throw invalidPattern(
      'the local engine does not support space-delimited patterns in square brackets: use terms or a JSON pattern',
    );
  }
  return matchTerms(termsOf(text));
}

const TERM = /([?-]?)(?:"((?:[^"\\]|\\.)*)"|([A-Za-z0-9_]+))(?=\s|$)\s*/y;

function termsOf(text: string): Term[] {
  const terms: Term[] = [];
  TERM.lastIndex = 0;
  while (TERM.lastIndex < text.length) {
    const at = TERM.lastIndex;
    const match = TERM.exec(text);
    if (!match) {
      throw invalidPattern(
        text.includes('%', at)
          ? 'the local engine does not support regular expressions: use terms or a JSON pattern'
          : `cannot be read at "${text.slice(at, at + 20)}"; put terms with characters other than letters, digits and underscores in double quotes`,
      );
    }
    const [, sign, phrase, word] = match;
    terms.push({
      kind: sign === '?' ? 'optional' : sign === '-' ? 'excluded' : 'required',
      text: word ?? (phrase ?? '').replace(/\\(.)/g, '$1'),
    });
  }
  return terms;
}

function matchTerms(terms: readonly Term[]): FilterPattern {
  const texts = (kind: Term['kind']) => terms.filter((term) => term.kind === kind).map((term) => term.text);
  const [required, optional, excluded] = [texts('required'), texts('optional'), texts('excluded')];
  const onlyOptional = optional.length === terms.length;
  return (message) =>
    required.every((term) => message.includes(term)) &&
    !excluded.some((term) => message.includes(term)) &&
    (!onlyOptional || optional.some((term) => message.includes(term)));
}
