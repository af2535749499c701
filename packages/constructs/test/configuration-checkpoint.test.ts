import { expect, test } from 'vitest';
import { DeployedStacks } from './deployed-stacks.ts';

const PROPS = { judgeConfiguration: true, stableTasksMin: 1 } as const;

test('an update that brings the promoted image asks twice, is answered by the controller, and goes on', async () => {
  const stacks = await DeployedStacks.start({ pace: 60 });
  expect((await stacks.deploy(PROPS)).StackStatus).toBe('CREATE_COMPLETE');
  const promoted = await stacks.image('promoted');
  await stacks.promote(promoted);
  // Where nothing but the image is another one, there is nothing to judge.
  expect((await stacks.deploy({ ...PROPS, containerInsights: true })).StackStatus).toBe('UPDATE_COMPLETE');
  expect(await stacks.images()).toEqual([promoted, promoted]);
  expect(await stacks.imagesOfTheStack()).toEqual([promoted, promoted]);
  const asked = stacks.world.engine.journal
    .read()
    .filter(({ type, detail }) => type === 'custom-resource.asked' && detail.requestType === 'Update');
  expect(asked.map(({ detail }) => String(detail.logicalId))).toEqual([
    expect.stringMatching(/^ConfigurationHold/),
    expect.stringMatching(/^ConfigurationVerdict/),
  ]);
  const parameter = stacks.world.engine.journal
    .read()
    .find(
      ({ detail }) =>
        detail.status === 'CREATE_COMPLETE' && /^ConfigurationUpdate/.test(String(detail.logicalId)),
    );
  const left = JSON.parse(await stacks.read(String(parameter?.detail.id))) as object;
  expect(Object.keys(left)).toEqual(['earlier']);
});
