import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import {
  markdownPages,
  mentionedCommands,
  queueCanaryCommands,
  shownCommands,
} from './documented-commands.ts';
import { contextValues, fullName, queueCanaryCommand } from './reference-pages.ts';

const ROOT = join(import.meta.dirname, '..');
const pages = markdownPages();
const commands = [...shownCommands(pages), ...mentionedCommands(pages)];

/** A page without its fenced blocks, which hold no links. */
const prose = (text: string) => text.replaceAll(/^ *```[\s\S]*?^ *```/gm, '');

/** The anchors of a page, as GitHub makes them of its headings. */
function anchors(text: string): ReadonlySet<string> {
  const seen = new Map<string, number>();
  const headings = [...prose(text).matchAll(/^#{1,6} (.*)$/gm)].map(([, heading = '']) =>
    heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );
  return new Set(
    headings.map((anchor) => {
      const times = seen.get(anchor) ?? 0;
      seen.set(anchor, times + 1);
      return times === 0 ? anchor : `${anchor}-${times}`;
    }),
  );
}

const links = pages.flatMap(({ path, text }) =>
  [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => ({ path, target })),
);

describe('a link', () => {
  test('within the repository leads to a file, and to a heading of it', () => {
    const relative = links.filter(({ target }) => !/^[a-z]+:/.test(target));
    expect(relative.length).toBeGreaterThan(150);
    const broken = relative.filter(({ path, target }) => {
      const [file = '', anchor] = target.split('#');
      const found = file === '' ? path : normalize(join(dirname(path), file));
      if (!existsSync(join(ROOT, found))) return true;
      if (anchor === undefined) return false;
      return !found.endsWith('.md') || !anchors(readFileSync(join(ROOT, found), 'utf8')).has(anchor);
    });
    expect(broken.map(({ path, target }) => `${path}: ${target}`)).toEqual([]);
  });

  test('to elsewhere is an https address', () => {
    const external = links.filter(({ target }) => /^[a-z]+:/.test(target));
    const wrong = external.filter(({ target }) => !URL.canParse(target) || !target.startsWith('https://'));
    expect(wrong.map(({ path, target }) => `${path}: ${target}`)).toEqual([]);
  });
});

describe('a page', () => {
  test('of developers names files that exist', () => {
    const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
      cwd: ROOT,
      encoding: 'utf8',
    }).split('\n');
    const named = pages
      .filter(({ path }) => path === 'ARCHITECTURE.md' || path === 'CONTRIBUTING.md')
      .flatMap(({ path, text }) =>
        [...prose(text).matchAll(/`([\w./-]+\.(?:ts|js|py|json|md|yml))`/g)].map(([, file = '']) => ({
          path,
          file,
        })),
      );
    expect(named.length).toBeGreaterThan(80);
    const absent = named.filter(
      ({ file }) =>
        file !== 'imagedefinitions.json' && !files.some((each) => each === file || each.endsWith(`/${file}`)),
    );
    expect(absent.map(({ path, file }) => `${path}: ${file}`)).toEqual([]);
  });

  test('is found from README.md', () => {
    const found = new Set(['README.md']);
    for (const path of found) {
      for (const link of links.filter((each) => each.path === path)) {
        const [file = ''] = link.target.split('#');
        const target = normalize(join(dirname(path), file));
        if (pages.some((page) => page.path === target)) found.add(target);
      }
    }
    // GitHub shows its templates by itself.
    const hidden = pages.filter(({ path }) => !found.has(path) && !path.startsWith('.github/'));
    expect(hidden.map(({ path }) => path)).toEqual([]);
  });

  test('has lines of at most 120 characters, but for tables, commands, output and links', () => {
    const long = pages
      // A run's output; and a page that is packed into the sample's tarball, whose change is a change of the worker.
      .filter(({ path }) => path !== 'bench/judge/results.md' && path !== 'packages/worker/README.md')
      .flatMap(({ path, text }) =>
        prose(text)
          .split('\n')
          .filter((line) => line.length > 120 && !/^\s*\||\]\(/.test(line) && !/`[^`]{80,}/.test(line))
          .map((line) => `${path}: ${line}`),
      );
    expect(long).toEqual([]);
  });

  test('is short, if it is README.md', () => {
    const readme = pages.find(({ path }) => path === 'README.md');
    expect(readme?.text.split('\n').length).toBeLessThanOrEqual(151);
  });
});

const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>;
};
const program = queueCanaryCommand();

/** What is wrong with the words of a command of queue-canary, or `undefined`. */
function problemWith(words: readonly string[]): string | undefined {
  let command: Command = program;
  const rest = [...words];
  while (command.commands.length > 0) {
    const name = rest.shift();
    if (name === '--help' || name === '--version') return undefined;
    const next = command.commands.find((each) => each.name() === name);
    if (next === undefined) return `${fullName(command)} has no command ${name}`;
    command = next;
  }
  while (rest.length > 0) {
    const word = rest.shift()!;
    if (!word.startsWith('-')) continue;
    const option = command.options.find(({ long, short }) => word === long || word === short);
    if (option === undefined) return `${fullName(command)} has no option ${word}`;
    if (!option.required) continue;
    const value = rest.shift();
    if (value === undefined) return `${word} of ${fullName(command)} needs a value`;
    if (option.argChoices && !option.argChoices.includes(value)) {
      return `${word} of ${fullName(command)} cannot be ${value}`;
    }
    const [setting = ''] = value.split('=');
    if (option.long === '--context' && !contextValues().has(setting))
      return `the app has no setting ${setting}`;
  }
  return undefined;
}

describe('a command in a page', () => {
  test('exists in queue-canary with its options and settings', () => {
    const shown = queueCanaryCommands(commands);
    expect(shown.length).toBeGreaterThan(80);
    const wrong = shown.flatMap(({ path, words }) => {
      const problem = problemWith(words);
      return problem === undefined ? [] : [`${path}: ${problem}`];
    });
    expect(wrong).toEqual([]);
  });

  test('is a script of package.json, if npm runs it', () => {
    const shown = commands.flatMap(({ path, words: [npm, ...rest] }) => {
      const [run, name = ''] = rest.filter((word) => !word.startsWith('-'));
      if (npm !== 'npm' || (run !== 'run' && run !== 'test')) return [];
      return [{ path, name: run === 'run' ? name : run }];
    });
    expect(shown.length).toBeGreaterThan(10);
    const absent = shown.filter(({ name }) => !Object.hasOwn(scripts, name));
    expect(absent.map(({ path, name }) => `${path}: ${name}`)).toEqual([]);
  });
});
