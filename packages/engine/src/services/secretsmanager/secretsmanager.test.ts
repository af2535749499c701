import { expect, test } from 'vitest';
import type { Input } from '../../sdk/services.ts';
import { MemoryEngine } from '../test/memory-engine.ts';
import { createSecretsManager } from './secretsmanager.ts';

const DAY_SECONDS = 86_400;
const SecretId = 'key';

async function world() {
  const engine = await new MemoryEngine().add(createSecretsManager);
  const create = () => engine.call('secretsmanager', 'CreateSecret', { Name: SecretId, SecretString: 'one' });
  const remove = (rest: Partial<Input<'secretsmanager', 'DeleteSecret'>> = {}) =>
    engine.call('secretsmanager', 'DeleteSecret', { SecretId, ...rest });
  const restore = () => engine.call('secretsmanager', 'RestoreSecret', { SecretId });
  const read = () => engine.call('secretsmanager', 'GetSecretValue', { SecretId });
  return { engine, create, remove, restore, read };
}

test('a deleted secret can be restored for its recovery window, and keeps its name for as long', async () => {
  const { engine, create, remove, restore, read } = await world();
  await create();
  await remove({ RecoveryWindowInDays: 7 });
  await expect(read()).rejects.toThrow(/marked for deletion/);
  await expect(create()).rejects.toThrow(/already scheduled for deletion/);
  const { DeletedDate } = await engine.call('secretsmanager', 'DescribeSecret', { SecretId });
  expect(DeletedDate).toEqual(new Date(engine.clock.nowMs()));
  await restore();
  expect((await read()).SecretString).toBe('one');
  await remove({ RecoveryWindowInDays: 7 });
  await engine.pass(7 * DAY_SECONDS - 1);
  await restore();
  await remove({ RecoveryWindowInDays: 7 });
  await engine.pass(7 * DAY_SECONDS);
  await expect(restore()).rejects.toThrow(/can't find the specified secret/);
  await create();
});

test('a secret that is deleted without recovery is gone at once, and may be deleted so again', async () => {
  const { create, remove, read } = await world();
  await create();
  await remove({ ForceDeleteWithoutRecovery: true });
  await expect(read()).rejects.toThrow(/can't find the specified secret/);
  await remove({ ForceDeleteWithoutRecovery: true });
  await create();
});

test.each([
  [{ RecoveryWindowInDays: 6 }, /between 7 and 30/],
  [{ RecoveryWindowInDays: 31 }, /between 7 and 30/],
  [{ RecoveryWindowInDays: 7, ForceDeleteWithoutRecovery: true }, /in conjunction with/],
])('a deletion with %o is refused', async (rest, message) => {
  const { create, remove } = await world();
  await create();
  await expect(remove(rest)).rejects.toThrow(message);
});
