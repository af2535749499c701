import { describe, expect, test } from 'vitest';
import { decode, handle } from '../src/handler.ts';

describe('decode', () => {
  test.each(['{"order":1}', 'Test message 1', '[not JSON, and not said to be'])(
    'hands "%s" on as it is',
    (body) => {
      expect(decode(body)).toBe(body);
    },
  );

  test.each(['', ' \n', '{"order":', '{"order":1}}'])(
    'refuses "%s", which no version could process',
    (body) => {
      expect(() => decode(body)).toThrow();
    },
  );
});

describe('handle', () => {
  test('finishes a message, and does no harm when it arrives again', async () => {
    await expect(handle('{"order":1}')).resolves.toBeUndefined();
    await expect(handle('{"order":1}')).resolves.toBeUndefined();
  });
});
