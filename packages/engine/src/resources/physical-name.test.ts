import fc from 'fast-check';
import { expect, test } from 'vitest';
import { physicalName } from './physical-name.ts';

test('stack, logical id and suffix', () => {
  expect(physicalName('app', 'Queue', 'ABC234')).toBe('app-Queue-ABC234');
  expect(physicalName('App', 'Bucket', 'ABC234', { lowerCase: true })).toBe('app-bucket-abc234');
  expect(physicalName('app', 'Build', 'ABC234', { prefix: '' })).toBe('Build-ABC234');
  expect(physicalName('app', 'P', 'ABC234', { prefix: 'CFN' })).toBe('CFN-P-ABC234');
});

test('long names keep the suffix, stay within the limit, and keep something of both parts', () => {
  const part = fc.stringMatching(/^[A-Za-z][A-Za-z0-9]{0,120}$/);
  fc.assert(
    fc.property(part, part, fc.integer({ min: 40, max: 255 }), (stack, logicalId, longest) => {
      const name = physicalName(stack, logicalId, 'ABCDEFGH2345', { longest });
      expect(name.length).toBeLessThanOrEqual(longest);
      const [first, second, suffix] = name.split('-');
      expect(suffix).toBe('ABCDEFGH2345');
      expect(stack.startsWith(first!) && first !== '').toBe(true);
      expect(logicalId.startsWith(second!) && second !== '').toBe(true);
      const full = `${stack}-${logicalId}-ABCDEFGH2345`;
      if (full.length <= longest) expect(name).toBe(full);
    }),
  );
});
