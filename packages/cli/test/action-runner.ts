import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { yaml } from '../../engine/src/bounded-yaml.ts';
import { start } from './program.ts';

const ACTION = join(import.meta.dirname, '../../../action.yml');

/** How a run of the action ended. */
export interface ActionRun {
  readonly status: number | NodeJS.Signals | null;
  /** All lines of the log that the runner takes for commands. */
  readonly commands: readonly string[];
  readonly log: string;
  readonly outputs: Readonly<Record<string, string>>;
  readonly summary: string;
}

/** Starts the bundled action as a runner does: in a directory of its own, with its inputs and files in the environment. */
export function startAction(
  bundle: string,
  inputs: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string>>,
): { readonly finished: Promise<ActionRun>; kill(signal: NodeJS.Signals): void } {
  const directory = mkdtempSync(join(tmpdir(), 'runner-'));
  const file = (name: string) => join(directory, name);
  for (const name of ['output', 'summary']) writeFileSync(file(name), '');
  const { finished, kill } = start([bundle], {
    cwd: directory,
    command: [process.execPath],
    env: {
      ...inputVariables(inputs),
      ...environment,
      GITHUB_OUTPUT: file('output'),
      GITHUB_STEP_SUMMARY: file('summary'),
    },
  });
  return {
    kill,
    finished: finished.then(({ status, output, errors }) => ({
      status,
      commands: output.split('\n').filter((line) => /^\s*::|##\[/.test(line)),
      log: output + errors,
      outputs: readOutputs(readFileSync(file('output'), 'utf8')),
      summary: readFileSync(file('summary'), 'utf8'),
    })),
  };
}

/** The variables of all inputs that action.yml declares, with its defaults. */
function inputVariables(given: Readonly<Record<string, string>>): Record<string, string> {
  const { inputs } = yaml().parse(readFileSync(ACTION, 'utf8')) as {
    readonly inputs: Readonly<Record<string, { readonly default?: string }>>;
  };
  const values = Object.entries(inputs).map(([name, { default: usual = '' }]) => [
    `INPUT_${name.toUpperCase()}`,
    given[name] ?? usual,
  ]);
  return Object.fromEntries(values);
}

/** What a runner reads from the file in GITHUB_OUTPUT. */
export function readOutputs(text: string): Record<string, string> {
  const outputs: Record<string, string> = {};
  const lines = text.split('\n');
  for (let line = lines.shift(); line !== undefined && line !== ''; line = lines.shift()) {
    const [, name, delimiter] = /^([^=]+?)<<(.+)$/.exec(line) ?? [];
    if (name === undefined) throw new Error(`a runner does not understand ${line}`);
    const value: string[] = [];
    for (let next = lines.shift(); next !== delimiter; next = lines.shift()) {
      if (next === undefined) throw new Error(`a runner misses the end of ${name}`);
      value.push(next);
    }
    outputs[name] = value.join('\n');
  }
  return outputs;
}

/** A call that GitHub's API got. */
export interface GithubCall {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The part of GitHub's API that makes deployments. */
export interface Github {
  readonly calls: GithubCall[];
  /** The variables of a runner that belong to it. */
  readonly environment: Readonly<Record<string, string>>;
  /** What it answers to each call instead of what is wanted. */
  refusal: string | undefined;
  /** Resolves when it has got a deployment in this state. */
  hears(state: string): Promise<void>;
  stop(): void;
}

/** Starts GitHub's API on loopback. */
export async function startGithub(): Promise<Github> {
  const calls: GithubCall[] = [];
  const waiting = new Set<() => void>();
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { authorization } = request.headers;
    calls.push({ path: `${request.method} ${request.url}`, authorization, body: JSON.parse(text) });
    response.statusCode = github.refusal === undefined ? 201 : 403;
    response.end(github.refusal ?? JSON.stringify({ id: 42 }));
    for (const look of waiting) look();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const github: Github = {
    calls,
    refusal: undefined,
    environment: {
      GITHUB_API_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      GITHUB_SERVER_URL: 'https://github.example',
      GITHUB_REPOSITORY: 'team/worker',
      GITHUB_SHA: 'c0ffee'.padEnd(40, '0'),
      GITHUB_RUN_ID: '7',
    },
    hears: (state) =>
      new Promise((resolve) => {
        waiting.add(() => calls.some(({ body }) => body.state === state) && resolve());
      }),
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  return github;
}
