import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { yaml } from '../packages/engine/src/bounded-yaml.ts';
import { readInputs } from './inputs.ts';

const { inputs, outputs } = yaml().parse(
  readFileSync(join(import.meta.dirname, '..', 'action.yml'), 'utf8'),
) as Readonly<Record<'inputs' | 'outputs', Readonly<Record<string, { readonly default?: string }>>>>;

/** The inputs as a runner gives them, with the defaults of action.yml. */
function read(given: Readonly<Record<string, string>>) {
  const all = {
    ...Object.fromEntries(Object.entries(inputs).map(([name, { default: usual = '' }]) => [name, usual])),
    ...given,
  };
  return readInputs(
    Object.fromEntries(Object.entries(all).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value])),
  );
}

describe('the inputs', () => {
  test('that action.yml declares are those that are read', () => {
    const names = new Set<string>();
    const environment = new Proxy<Record<string, string>>(
      {
        INPUT_WAIT: 'true',
        'INPUT_APP-NAME': 'A',
        INPUT_IMAGE: 'x',
        INPUT_TOKEN: 't',
        INPUT_ENVIRONMENT: 'e',
      },
      {
        get: (target, name: string) => {
          names.add(name.replace('INPUT_', '').toLowerCase());
          return target[name];
        },
      },
    );
    readInputs(environment);
    expect([...names].sort()).toEqual(Object.keys(inputs).sort());
    expect(Object.keys(outputs)).toEqual(['outcome', 'execution-id', 'image', 'summary']);
  });

  test('need no more than an image', () => {
    expect(read({ image: ' team/worker:v1\n' })).toEqual({
      release: { image: 'team/worker:v1' },
      app: 'QueueCanary',
      region: undefined,
      wait: true,
      deployment: undefined,
    });
  });

  test('show the release on GitHub where there is a token', () => {
    expect(read({ 'execution-id': '1', token: 't' }).deployment).toEqual({
      token: 't',
      environment: 'production',
    });
  });

  test.each([
    [{}, 'the input image is empty'],
    [{ image: 'a', 'execution-id': 'b' }, 'are both given'],
    [{ image: 'a', wait: 'yes' }, 'the input wait must be true or false, not "yes"'],
    [{ image: 'a', 'app-name': '' }, 'the input app-name must be a letter'],
    [{ image: 'a', 'app-name': '`x`' }, 'the input app-name must be a letter'],
    [{ image: 'a', token: 't', environment: ' ' }, 'the input environment is empty'],
    [{ 'execution-id': 'b', wait: 'false' }, 'so the input wait must be true'],
  ])('%j are refused', (given, message) => {
    expect(() => read(given)).toThrow(message);
  });
});
