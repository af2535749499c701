import { expect, test } from 'vitest';
import { DisturbedApplication } from './disturbed-application.ts';

/** `npm run sim` releases hundreds, on the engine. */
const RELEASES = 6;

test('good releases in a disturbed application are ended by nothing but the judge', () => {
  const application = new DisturbedApplication(1);
  application.passDay();
  const ends = Array.from({ length: RELEASES }, (_, index) => application.release(`v${index + 2}`));
  expect(ends.filter((end) => end !== 'succeeded' && end !== 'judge')).toEqual([]);
  expect(ends.filter((end) => end === 'succeeded').length).toBeGreaterThanOrEqual(RELEASES - 1);
});
