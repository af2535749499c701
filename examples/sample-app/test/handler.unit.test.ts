import { describe, expect, it } from 'vitest';
import { decode, handle } from '../src/handler.ts';

describe('decode', () => {
  it.each(['{"order":1}', 'Test message 1', '[not JSON, and not said to be'])(
    'hands "%s" on as it is',
    (body) => {
      expect(decode(body)).toBe(body);
    },
  );

  it.each(['', ' \n', '{"order":', '{"order":1}}'])(
    'refuses "%s", which no version could process',
    (body) => {
      expect(() => decode(body)).toThrow();
    },
  );
});

describe('handle', () => {
  it('finishes a message, and does no harm when it arrives again', async () => {
    await expect(handle('{"order":1}')).resolves.toBeUndefined();
    await expect(handle('{"order":1}')).resolves.toBeUndefined();
  });
});
