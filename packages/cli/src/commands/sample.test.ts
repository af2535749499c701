import { expect, test } from 'vitest';
import { sample } from './sample.ts';

const plan = { rate: 1, share: 0.25, failures: 0.001, margin: 0.02, falsePromotions: 0.05, within: 60 };

test('says how long certification takes, or that no method can, and which margin could', () => {
  expect(sample(plan)).toMatch(/^at 1 messages\/s and a margin of 2 % certification takes about 1[0-9] min/);
  expect(sample({ ...plan, margin: 0.005 })).toMatch(
    /a margin of 0\.5 % this cannot be certified within 60 min by any method .*; at 1 % it takes about \d+ min$/,
  );
});

test('gives the figures as JSON, never sooner than a task is warm', () => {
  const figures = JSON.parse(sample({ ...plan, rate: 1000, json: true }));
  expect(figures).toMatchObject({ possible: true, durationMs: 180_000, sentence: expect.any(String) });
});
