import { describe, expect, test } from 'vitest';
import { contextPairs, deployFlags } from './deploy.ts';

describe('cdk deploy', () => {
  const approval = (...given: Parameters<typeof deployFlags>) => {
    const flags = deployFlags(...given);
    return flags[flags.indexOf('--require-approval') + 1];
  };

  test('asks about changes that broaden permissions before it makes them on AWS', () => {
    expect(approval('aws', false)).toBe('broadening');
  });

  test('asks nothing with --yes, and never on the local engine', () => {
    expect([approval('aws', true), approval('local', false), approval('local', true)]).toEqual([
      'never',
      'never',
      'never',
    ]);
  });

  test('removes what holds data on AWS only where that is asked for, and on the local engine always', () => {
    const pairs = (kind: 'aws' | 'local', ...context: string[]) =>
      contextPairs({ app: 'Shop', target: { kind } }, { context });
    expect(pairs('aws', 'spot=false')).toEqual(['app=Shop', 'spot=false']);
    expect(pairs('aws', 'removal=destroy')).toEqual(['app=Shop', 'removal=destroy']);
    expect(pairs('local', 'removal=retain')).toEqual(['app=Shop', 'removal=destroy', 'removal=retain']);
    expect(contextPairs({ app: 'Shop', target: { kind: 'local' } }, { context: [], cdkApp: 'own' })).toEqual([
      'app=Shop',
    ]);
  });
});
