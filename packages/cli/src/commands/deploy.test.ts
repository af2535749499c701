import { describe, expect, it } from 'vitest';
import { deployFlags } from './deploy.ts';

describe('cdk deploy', () => {
  const approval = (...given: Parameters<typeof deployFlags>) => {
    const flags = deployFlags(...given);
    return flags[flags.indexOf('--require-approval') + 1];
  };

  it('asks about changes that broaden permissions before it makes them on AWS', () => {
    expect(approval('aws', false)).toBe('broadening');
  });

  it('asks nothing with --yes, and never on the local engine', () => {
    expect([approval('aws', true), approval('local', false), approval('local', true)]).toEqual([
      'never',
      'never',
      'never',
    ]);
  });
});
