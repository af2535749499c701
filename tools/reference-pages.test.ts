import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { ensureControllerBundle } from '../packages/constructs/test/synthesize.ts';
import { constructsDeclarations, exportedByConstructs, memberOf } from './constructs-page.ts';
import { contextValues, referencePages } from './reference-pages.ts';
import { SETTINGS } from './reference-texts.ts';

let pages: Readonly<Record<string, string>>;
beforeAll(async () => {
  await ensureControllerBundle();
  pages = referencePages();
}, 60_000);

describe('the generated reference', () => {
  test.each(['cli.md', 'settings.md', 'constructs.md', 'stacks.md', 'json.md'])(
    'says in %s what the code says now ("npm run generate" writes it)',
    (name) => {
      const committed = readFileSync(join(import.meta.dirname, '../docs/reference', name), 'utf8');
      expect(committed).toBe(pages[name]);
    },
  );

  test('has each export of the constructs, and says what it is', () => {
    const declarations = constructsDeclarations();
    expect([...declarations.keys()].toSorted()).toEqual(exportedByConstructs().toSorted());
    expect([...declarations.values()].filter(({ text }) => text === '').map(({ name }) => name)).toEqual([]);
  });

  test('says of each property of the constructs what it means, and of each optional prop its default', () => {
    const missing = [...constructsDeclarations().values()].flatMap(({ name, members }) =>
      members.flatMap((member) => {
        const { text } = memberOf(name, member.name);
        const lacksDefault = name.endsWith('Props') && member.optional && member.default === undefined;
        return text === '' || lacksDefault ? [`${name}.${member.name}`] : [];
      }),
    );
    expect(missing).toEqual([]);
  });

  test('has each context value that the app reads, and no other', () => {
    const documented = SETTINGS.flatMap(({ settings }) => settings.map(({ context }) => context));
    expect(documented.toSorted()).toEqual([...contextValues().keys()].toSorted());
  });

  test('says of each context value what it accepts', () => {
    expect([...contextValues()].filter(([, accepted]) => accepted === '')).toEqual([]);
  });
});

describe('the reference that is written by hand', () => {
  const page = (name: string) => readFileSync(join(import.meta.dirname, '../docs/reference', name), 'utf8');
  const source = (file: string) =>
    readFileSync(join(import.meta.dirname, '../packages/core/src', file), 'utf8');
  const literals = (text: string, type: string) =>
    [...(new RegExp(`export type ${type} =([^;]*);`).exec(text)?.[1] ?? '').matchAll(/'([^']+)'/g)].map(
      ([, literal]) => literal!,
    );

  test('explains each phase and each verdict code', () => {
    const names = [
      ...literals(source('release/phase.ts'), 'Phase'),
      ...literals(source('judge/evidence.ts'), 'VerdictCode'),
      ...literals(source('release/record.ts'), 'DecidedBy'),
    ];
    expect(names.length).toBeGreaterThan(25);
    const text = page('phases-and-verdicts.md');
    expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });

  test('names each field of an outcome line that the judge reads', () => {
    const fields = [
      ...source('measurement/parse-line.ts').matchAll(
        /(?:fields, |fields\.|'(?=First|Retried))'?([A-Z]\w+)/g,
      ),
    ].map(([, field]) => field!);
    expect(new Set(fields).size).toBeGreaterThan(20);
    const text = page('outcome-lines.md');
    expect([...new Set(fields)].filter((field) => !text.includes(`\`${field}\``))).toEqual([]);
  });
});
