import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { SERVICES } from '../src/sdk/services.ts';
import type { Shape } from '../src/sdk/shapes.ts';
import { FuzzWorld } from './fuzz-world.ts';

const PACKAGES = fileURLToPath(new URL('../../../node_modules/@aws-sdk/', import.meta.url));
const OWN_PACKAGES = fileURLToPath(new URL('../node_modules/@aws-sdk/', import.meta.url));

/** Which enumeration each member of each structure has, as the types of an SDK package say. */
function declared(service: string): Map<string, Map<string, string>> {
  const name = /client-[a-z0-9-]+/.exec(String(SERVICES[service as keyof typeof SERVICES].load))?.[0] ?? '';
  const root =
    [OWN_PACKAGES, PACKAGES].map((each) => join(each, name)).find((each) => existsSync(each)) ?? '';
  const models = join(root, 'dist-types', 'models');
  const structures = new Map<string, Map<string, string>>();
  for (const file of readdirSync(models)) {
    const text = readFileSync(join(models, file), 'utf8');
    for (const [, structure, body] of text.matchAll(/^export interface (\w+)[^{]*\{\n(.*?)^\}/gms)) {
      const members = new Map<string, string>();
      for (const [, member, type] of body!.matchAll(/^ {4}(\w+)\??: (\w+)(?:\[\])? \| undefined;$/gm))
        members.set(member!, type!);
      structures.set(structure!, members);
    }
  }
  return structures;
}

test('the table of enumerations says what the types of the SDK say of all that the engine can be called with', async () => {
  const world = await FuzzWorld.start();
  const table: Record<string, Record<string, Record<string, string>>> = {};
  const types = new Map<string, Map<string, Map<string, string>>>();
  for (const { name, model } of [...world.targets.values()]) {
    if (!types.has(name)) types.set(name, declared(name));
    const module = await SERVICES[name].load();
    const seen = new Set<Shape>();
    const visit = (shape: Shape | undefined): void => {
      if (shape === undefined || seen.has(shape)) return;
      seen.add(shape);
      visit(shape.value);
      for (const [member, inner] of shape.members) {
        visit(inner);
        const type = types.get(name)!.get(shape.name)?.get(member);
        const text = inner.kind === 'string' || inner.value?.kind === 'string';
        if (type === undefined || !text || typeof module[type] !== 'object') continue;
        table[name] ??= {};
        table[name][shape.name] ??= {};
        table[name][shape.name]![member] = type;
      }
    };
    visit(model.input);
  }
  const sorted = (value: unknown): unknown =>
    typeof value === 'object' && value !== null
      ? Object.fromEntries(
          Object.entries(value)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, item]) => [key, sorted(item)]),
        )
      : value;
  // `vitest run -u` writes what they say now.
  await expect(`${JSON.stringify(sorted(table), null, 2)}\n`).toMatchFileSnapshot(
    '../src/sdk/enumerations.json',
  );
});
