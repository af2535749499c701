import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Form, policySettings, type Setting } from '../packages/core/src/index.ts';

/**
 * `npm run generate`: writes what follows from the table of the policy's settings, which are the constructs' properties
 * and the reference page. `policy-pages.test.ts` compares them with the table.
 */
export const PROPERTIES_FILE = 'packages/constructs/src/release-policy-props.ts';

const WIDTH = 110;

/** The source of `ReleasePolicyProps`: an interface in full, as CDK's users and tools expect it. */
export function renderProperties(): string {
  const settings = [...policySettings.values()].filter(({ property }) => property !== undefined);
  const types = new Set(settings.flatMap(({ kind }) => importedType(kind.form)));
  return `// Written by \`npm run generate\` from the settings in packages/core/src/policy/policy.ts and judge/judge-policy.ts.
import type { ${[...types].sort(alphabetically).join(', ')} } from '@queue-canary/core';
import type { Duration } from 'aws-cdk-lib';

/** How a release is judged and promoted. */
export interface ReleasePolicyProps {
${settings.map(renderProperty).join('\n\n')}
}
`;
}

function alphabetically(one: string, other: string): number {
  return one.toLowerCase() < other.toLowerCase() ? -1 : 1;
}

function importedType(form: Form): string[] {
  if ('type' in form) return [form.type];
  return form.as === 'counters' ? ['CounterPolicy'] : [];
}

function renderProperty({ property, kind, text, defaultText }: Setting<unknown>): string {
  const lines = [...paragraphs(text), '', `@default - ${defaultText}`];
  return [
    '  /**',
    ...lines.map((line) => `   * ${line}`.trimEnd()),
    '   */',
    `  readonly ${property}?: ${propertyType(kind.form)};`,
  ].join('\n');
}

function propertyType(form: Form): string {
  switch (form.as) {
    case 'choice':
      return form.type;
    case 'number':
    case 'wholeNumber':
      return 'number';
    case 'duration':
      return 'Duration';
    case 'flagOrSome':
      return `boolean | readonly ${form.type}[]`;
    case 'some':
      return `readonly ${form.type}[]`;
    case 'texts':
      return 'readonly string[]';
    case 'counters':
      return 'Readonly<Record<string, CounterPolicy>>';
  }
}

/** The lines of a text, wrapped to one width; items of a list keep lines of their own. */
function paragraphs(text: string): string[] {
  return text.split('\n\n').flatMap((paragraph, index) => {
    const items = paragraph.startsWith('- ') ? paragraph.split('\n') : [paragraph.replaceAll('\n', ' ')];
    return [...(index === 0 ? [] : ['']), ...items.flatMap(wrapped)];
  });
}

function wrapped(text: string): string[] {
  const indent = text.startsWith('- ') ? '  ' : '';
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > WIDTH) {
      lines.push(line);
      line = indent + word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(PROPERTIES_FILE, renderProperties());
}
