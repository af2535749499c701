import { expect, onTestFinished, test } from 'vitest';
import { BROKEN_DELAY_SECONDS } from './version.ts';
import { World } from './world.ts';

/** The value of a variable by track, in what each service is set to run. */
async function delays(world: World): Promise<Record<'canary' | 'stable', string | undefined>> {
  const { CanaryServiceName: canary, StableServiceName: stable, ClusterName: cluster } = world.pipeline;
  const { services = [] } = await world.call('ecs', 'DescribeServices', {
    cluster,
    services: [canary, stable],
  });
  const of = async (name: string) => {
    const taskDefinition = services.find(({ serviceName }) => serviceName === name)?.taskDefinition;
    const { taskDefinition: found } = await world.call('ecs', 'DescribeTaskDefinition', { taskDefinition });
    const { environment = [] } = found?.containerDefinitions?.[0] ?? {};
    return environment.find((variable) => variable.name === 'RETRY_DELAY_SECONDS')?.value;
  };
  return { canary: await of(canary), stable: await of(stable) };
}

/** The deployment that stable was moved to last: another one later means that somebody changed it. */
async function stableDeployment(world: World): Promise<string | undefined> {
  const { StableServiceName: stable, ClusterName: cluster } = world.pipeline;
  const { services } = await world.call('ecs', 'DescribeServices', { cluster, services: [stable] });
  return services?.[0]?.deployments?.find(({ status }) => status === 'PRIMARY')?.id;
}

test('a configuration that breaks the worker reaches the canary alone and is put back; one that is right reaches both', async () => {
  const world = await World.start({
    seed: 1,
    rate: 5,
    context: { approval: 'automatic', judgeConfiguration: 'true', retryDelaySeconds: '1' },
  });
  onTestFinished(() => world.close());
  expect((await world.untilEnd(true)).promoted).toBe(true);
  await world.clock.advanceBy(20 * 60_000);

  const before = await stableDeployment(world);
  await expect(world.update({ retryDelaySeconds: BROKEN_DELAY_SECONDS })).rejects.toThrow(
    /UPDATE_ROLLBACK_COMPLETE.*Fail, on failures: the canary failed/s,
  );
  expect(await delays(world)).toEqual({ canary: '1', stable: '1' });
  expect(await stableDeployment(world)).toBe(before);

  await world.update({ retryDelaySeconds: '2' });
  expect(await delays(world)).toEqual({ canary: '2', stable: '2' });

  await world.commit({ name: 'after it' });
  expect((await world.untilEnd(true)).promoted).toBe(true);
  expect(await delays(world)).toEqual({ canary: '2', stable: '2' });
  expect(await world.drain()).toMatchObject({ lost: [] });
});
