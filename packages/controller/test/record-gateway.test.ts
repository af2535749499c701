import { describe, expect, test } from 'vitest';
import type { Script } from './scripted-aws.ts';
import { at, names, talking } from './talking.ts';

describe('the record gateway', () => {
  const parameter = (value: string, version: number) => ({ Parameter: { Value: value, Version: version } });

  /** Talks to the record alone: nobody has asked for a rollback. */
  const recording: typeof talking = (script, use) =>
    talking((call) => (call.input.Name === names.rollbackParameter ? parameter('{}', 1) : script(call)), use);

  test('writes when the version is the observed one', async () => {
    await recording(
      ({ operation }) => (operation === 'GetParameter' ? parameter('{"version":1}', 4) : { Version: 5 }),
      async ({ record }, calls) => {
        expect(await record.read()).toEqual({ record: { version: 1 }, version: 4 });
        expect(await record.write({ version: 1 }, 4)).toEqual({ kind: 'done' });
        expect(calls.at(-1)).toEqual({
          operation: 'PutParameter',
          input: { Name: '/release', Value: '{"version":1}', Type: 'String', Overwrite: true },
        });
      },
    );
  });

  test('does not write over a version that it has not seen', async () => {
    await recording(
      () => parameter('{"version":1}', 5),
      async ({ record }, calls) => {
        expect(await record.write({ version: 1 }, 4)).toMatchObject({ kind: 'conflict' });
        expect(calls.map(({ operation }) => operation)).toEqual(['GetParameter']);
      },
    );
  });

  /** A parameter that answers with an old version for as long as a test wants. */
  function parameterStore(...values: string[]) {
    const store = { values, shown: undefined as number | undefined, unreadable: 0 };
    const answer = (version: number) => ({
      Parameter: { Value: values[version - 1], Version: version, LastModifiedDate: at(version) },
    });
    const script: Script = ({ operation, input }) => {
      if (operation === 'PutParameter') return { Version: values.push(String(input.Value)) };
      const [, selected] = String(input.Name).split(':');
      if (selected === undefined) return answer(store.shown ?? values.length);
      store.unreadable -= 1;
      return store.unreadable >= 0 ? { error: 'ParameterVersionNotFound' } : answer(Number(selected));
    };
    return { store, script };
  }

  const halted = (since: string) => `{"version":1,"halt":{"since":"${since}"}}`;

  test('puts back what a writer has written that came in between, and that an old answer did not show', async () => {
    const { store, script } = parameterStore(halted('1'), halted('2'), halted('3'));
    store.shown = 2;
    store.unreadable = 2;
    await recording(script, async ({ record }) => {
      expect(await record.read()).toMatchObject({ version: 2 });
      expect(await record.write({ version: 1 }, 2)).toMatchObject({ kind: 'conflict' });
      expect(store.values.slice(3)).toEqual(['{"version":1}', halted('3')]);
      expect(await record.read()).toEqual({ record: { version: 1, halt: { since: '3' } }, version: 5 });
    });
  });

  test('says which version to put back by hand when it cannot be read', async () => {
    const { store, script } = parameterStore(halted('1'), halted('2'));
    store.shown = 1;
    store.unreadable = 100;
    await recording(script, async ({ record }) => {
      await expect(record.write({ version: 1 }, 1)).rejects.toThrow(
        'version 2 of parameter /release was overwritten by version 3',
      );
    });
  });

  test('knows what it has written and read, whatever older version is answered', async () => {
    const { store, script } = parameterStore(halted('1'));
    await recording(script, async ({ record }) => {
      await record.read();
      await record.write({ version: 1, halt: { since: '2' } }, 1);
      store.shown = 1;
      expect(await record.read()).toEqual({ record: { version: 1, halt: { since: '2' } }, version: 2 });
      expect(await record.write({ version: 1, halt: { since: '3' } }, 2)).toEqual({ kind: 'done' });
      expect(store.values).toHaveLength(3);
    });
  });

  test('reads a parameter that was created again, whose versions begin again', async () => {
    let answer = { Value: halted('1'), Version: 7, LastModifiedDate: at(1) };
    await recording(
      () => ({ Parameter: answer }),
      async ({ record }) => {
        expect(await record.read()).toMatchObject({ version: 7 });
        answer = { Value: '{"version":1}', Version: 1, LastModifiedDate: at(2) };
        expect(await record.read()).toEqual({ record: { version: 1 }, version: 1 });
      },
    );
  });

  test('reads and writes the last rollback that a person asked for', async () => {
    const request = { executionId: 'e1', reason: 'too slow', requestedAt: '2026-01-01T00:00:00.000Z' };
    const values: Record<string, string> = { '/release': '{"version":1}', '/rollback': '{}' };
    await talking(
      ({ operation, input }) => {
        const name = String(input.Name);
        if (operation === 'PutParameter') values[name] = String(input.Value);
        return operation === 'PutParameter' ? { Version: 2 } : parameter(values[name] ?? '', 1);
      },
      async ({ record }) => {
        expect(await record.read()).not.toHaveProperty('rollbackRequest');
        await record.requestRollback(request);
        expect(await record.read()).toMatchObject({ rollbackRequest: request });
        values['/rollback'] = 'nonsense';
      },
    );
    await talking(
      ({ input }) => parameter(values[String(input.Name)] ?? '', 1),
      async ({ record }) => {
        await expect(record.read()).rejects.toThrow(
          'the rollback request in parameter /rollback cannot be read: it is not JSON. Write {} to it',
        );
      },
    );
  });

  test('says what to do with a record that cannot be read, and without a parameter', async () => {
    await recording(
      () => parameter('{"version":2}', 1),
      async ({ record }) => {
        await expect(record.read()).rejects.toThrow(
          'parameter /release cannot be read: its version is 2, and this controller reads version 1. Put back',
        );
      },
    );
    await recording(
      () => ({ error: 'ParameterNotFound' }),
      async ({ record }) => {
        await expect(record.readImage()).rejects.toThrow('there is no parameter /image; deploy the stack');
      },
    );
  });
});
