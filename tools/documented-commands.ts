import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');

/** A page of the repository. */
export interface Page {
  /** Relative to the repository's root. */
  readonly path: string;
  readonly text: string;
}

/** Every Markdown file of the work tree. */
export function markdownPages(): Page[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return listed
    .split('\n')
    .filter((path) => path !== '' && existsSync(join(ROOT, path)))
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}

/** A command of a page's `sh` block. */
export interface ShownCommand {
  readonly path: string;
  readonly words: readonly string[];
}

/** The commands of all `sh` blocks, each as its words, without comments. */
export function shownCommands(pages: readonly Page[]): ShownCommand[] {
  return pages.flatMap(({ path, text }) =>
    [...text.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)].flatMap(([, block = '']) =>
      block
        .replaceAll(/\\\n/g, ' ')
        .split('\n')
        .flatMap((line) => line.replace(/(^|\s)#\s.*$/, '').split(/&&|;|\$\(|\)"?|\|/))
        .map((command) => ({ path, words: wordsOf(command) })),
    ),
  );
}

/** The commands that pages mention within a sentence. */
export function mentionedCommands(pages: readonly Page[]): ShownCommand[] {
  return pages.flatMap(({ path, text }) =>
    [
      ...text
        .replaceAll(/^ *```[\s\S]*?^ *```/gm, '')
        .matchAll(/`((?:npx queue-canary|queue-canary|npm) [^`]+)`/g),
    ].map(([, command = '']) => ({ path, words: wordsOf(command) })),
  );
}

/** Those of `queue-canary`, without its name; `qc` stands for it in docs/how-to/first-account.md. */
export function queueCanaryCommands(commands: readonly ShownCommand[]): ShownCommand[] {
  return commands.flatMap(({ path, words }) => {
    const start = words.findIndex((word) => word === 'queue-canary' || word === 'qc');
    const isCalled = start === 0 || (start > 0 && words[start - 1] === 'npx');
    // The definition of qc passes "$@" on, and $SETTINGS stands for options that are given once.
    const called = words.slice(start + 1).filter((word) => !word.includes('$'));
    return isCalled && called[0]?.startsWith('-') === false ? [{ path, words: called }] : [];
  });
}

function wordsOf(command: string): string[] {
  return [...command.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)].map(([word]) => word);
}
