import { expect, test } from 'vitest';
import { createDeployment } from './deployment.ts';

const input = { token: 'a-token', environment: 'production' };
const variables = {
  // A port that fetch never calls.
  GITHUB_API_URL: 'http://127.0.0.1:1',
  GITHUB_REPOSITORY: 'team/worker',
  GITHUB_SHA: 'c0ffee',
};

test('a deployment says which variable of a runner is missing', async () => {
  await expect(createDeployment({ ...variables, GITHUB_SHA: '' }, input)).rejects.toThrow(
    'GITHUB_SHA is not set: the action runs on a runner of GitHub Actions',
  );
});

test('a deployment says why GitHub cannot be reached, without the token', async () => {
  const problem = createDeployment(variables, input);
  await expect(problem).rejects.toThrow(
    /^http:\/\/127\.0\.0\.1:1\/repos\/team\/worker\/deployments cannot be reached: (?!.*a-token)/,
  );
});
