import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readOutputs } from '../packages/cli/test/action-runner.ts';
import { annotation, logged, output, shown } from './workflow-text.ts';

describe('an annotation', () => {
  test('is one line, in which a runner reads what was said', () => {
    const line = annotation('error', '50% of\r\nthe messages\n::set-output name=outcome::promoted');
    expect(line).toBe(
      '::error title=queue-canary::50%25 of%0D%0Athe messages%0A::set-output name=outcome::promoted',
    );
  });
});

describe('text in the log', () => {
  test.each([
    '::set-output name=outcome::promoted',
    ' \t::stop-commands::x',
    'fine\r::add-mask::a',
    'fine\n\n  ::error::no',
    '\u0085::error::no',
    'Commit  abc ##[add-path]/tmp',
  ])('%j gives the runner no command', (text) => {
    for (const line of logged(text).split(/[\r\n]/)) {
      expect(line).not.toMatch(/^[\s\u0085]*::|##\[/);
    }
  });

  test('stays as it is otherwise', () => {
    const text = 'Alarm  arn:aws:s3:::bucket at 10:30\n  Because  it is ## fine';
    expect(logged(text)).toBe(text);
  });
});

describe('an output', () => {
  test('is read as it was written, and nothing else is, whatever it holds', () => {
    const text = fc.string({ unit: fc.constantFrom('END', '_', '\n', 'outcome<<END', '=', 'x') });
    fc.assert(
      fc.property(text, (value) => {
        expect(readOutputs(output('summary', value) + output('outcome', 'promoted'))).toEqual({
          summary: value,
          outcome: 'promoted',
        });
      }),
    );
  });
});

describe('text in the summary', () => {
  test.each([
    ['a | b\n| c |', 'a \\| b \\| c \\|'],
    ['![x](https://example.com)', '\\!\\[x\\](https\\://example.com)'],
    [
      '<img src=x>&amp; `code` **b** @team #1',
      '\\<img src=x\\>\\&amp; \\`code\\` \\*\\*b\\*\\* \\@team \\#1',
    ],
  ])('%j is no Markdown', (text, markdown) => {
    expect(shown(text)).toBe(markdown);
  });
});
