import { expect, onTestFinished, test } from 'vitest';
import { SCENARIOS } from './scenarios.ts';
import { World } from './world.ts';

test('a good version is promoted, a bad one is rolled back by the judge, and no message is lost', async () => {
  const whole = await World.start({ seed: 1, rate: 5, context: { approval: 'automatic' } });
  onTestFinished(() => whole.close());
  expect((await whole.untilEnd(true)).promoted).toBe(true);
  expect(await SCENARIOS.good?.release(whole, 1)).toMatchObject({ promoted: true, isRight: true });
  expect(await SCENARIOS.bad?.release(whole, 2)).toMatchObject({
    promoted: false,
    by: 'judge',
    isRight: true,
  });
  expect(await whole.drain()).toMatchObject({ lost: [] });
});
