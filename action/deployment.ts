import type { Environment, Inputs } from './inputs.ts';

/** States of a deployment on GitHub. */
export type DeploymentState = 'in_progress' | 'pending' | 'success' | 'failure' | 'error' | 'inactive';

/** Says on GitHub how far a deployment is; rejects when GitHub does not take it. */
export type SetState = (state: DeploymentState, description: string) => Promise<void>;

/** GitHub takes no longer description. */
const DESCRIPTION_CHARACTERS_MAX = 140;

/** A cancelled workflow has seven seconds to end, and a release need not wait for a slow answer. */
const ANSWER_MS_MAX = 5000;

/** Makes a deployment of the workflow's commit on GitHub. */
export async function createDeployment(
  variables: Environment,
  { token, environment }: NonNullable<Inputs['deployment']>,
): Promise<SetState> {
  const variable = (name: string) => {
    const value = variables[name];
    if (!value) throw new Error(`${name} is not set: the action runs on a runner of GitHub Actions`);
    return value;
  };
  const deployments = `${variable('GITHUB_API_URL')}/repos/${variable('GITHUB_REPOSITORY')}/deployments`;
  const { id } = (await post(deployments, token, {
    ref: variable('GITHUB_SHA'),
    environment,
    description: 'a release through a canary',
    auto_merge: false,
    // The workflow itself is one of the commit's checks, and has not ended.
    required_contexts: [],
  })) as { id?: unknown };
  if (typeof id !== 'number') throw new Error(`${deployments} made no deployment`);
  const run = `${variables.GITHUB_SERVER_URL}/${variables.GITHUB_REPOSITORY}/actions/runs/${variables.GITHUB_RUN_ID}`;
  return async (state, text) => {
    const description =
      text.length > DESCRIPTION_CHARACTERS_MAX ? `${text.slice(0, DESCRIPTION_CHARACTERS_MAX - 1)}…` : text;
    await post(`${deployments}/${id}/statuses`, token, { state, description, environment, log_url: run });
  };
}

async function post(url: string, token: string, body: object): Promise<unknown> {
  const response = await reached(url, {
    method: 'POST',
    headers: {
      accept: 'application/vnd.github+json',
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'user-agent': 'queue-canary',
      'x-github-api-version': '2022-11-28',
    },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  });
  const answer = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${answer.slice(0, 200)}`);
  return JSON.parse(answer);
}

async function reached(url: string, request: RequestInit): Promise<Response> {
  try {
    return await fetch(url, request);
  } catch (error) {
    // Only the cause says what happened.
    const { message, cause } = error as Error;
    throw new Error(`${url} cannot be reached: ${cause instanceof Error ? cause.message : message}`);
  }
}
