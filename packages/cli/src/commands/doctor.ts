import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tone } from '@queue-canary/core';
import type { Context } from '../context.ts';
import { accountChecks } from '../doctor/account-checks.ts';
import { type Check, failure, ok, skipped } from '../doctor/check.ts';
import { identity } from '../doctor/identity.ts';
import { machineChecks } from '../doctor/machine-checks.ts';
import { type StackNeeds, stackNeeds } from '../doctor/stack-needs.ts';
import { stackNames } from '../stacks.ts';
import { explain } from '../user-error.ts';
import { type DeployOptions, synthesize } from './deploy.ts';

export interface DoctorOptions extends Pick<DeployOptions, 'cdkApp' | 'context'> {
  readonly json?: boolean;
}

/** Checks whether a first deployment would go through, changes nothing, and resolves with the exit status. */
export async function doctor(context: Context, options: DoctorOptions): Promise<number> {
  const { check, needs } = await stacksToDeploy(context, options);
  const checks = [check, ...(await diagnose(context, needs))];
  const healthy = checks.every(({ result }) => result !== 'failure');
  if (options.json) {
    context.print(JSON.stringify({ ok: healthy, target: context.target.description, checks }, null, 2));
  } else {
    for (const line of describe(checks, context.terminal.style)) context.print(line);
  }
  return healthy ? 0 : 1;
}

/** Checks the machine and the account against what the stacks need; without that, what does not depend on it. */
export async function diagnose(context: Context, needs: StackNeeds | undefined): Promise<Check[]> {
  const { checks, account } = await identity(context);
  return [
    ...(await machineChecks(context, needs, account?.region)),
    ...checks,
    ...(account === undefined
      ? [skipped('account', 'not checked: that needs credentials and a region')]
      : await accountChecks(context, account, needs)),
  ];
}

/** The very templates that `deploy` would hand over, and what they need. */
async function stacksToDeploy(
  context: Context,
  options: DoctorOptions,
): Promise<{ readonly check: Check; readonly needs?: StackNeeds }> {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-doctor-'));
  const { image, pipeline } = stackNames(context.app);
  try {
    await synthesize(context, options, directory);
    const needs = stackNeeds(directory, [image, pipeline]);
    return { check: ok('templates', `${image} and ${pipeline} synthesize`), needs };
  } catch (error) {
    return {
      check: failure(
        'templates',
        explain(error),
        'fix what the message names, or give other settings with -c, then run "queue-canary doctor" again',
      ),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const TONES: Readonly<Record<Check['result'], Tone>> = {
  ok: 'good',
  warning: 'busy',
  failure: 'bad',
  skipped: 'quiet',
};

function describe(checks: readonly Check[], style: (tone: Tone, text: string) => string): string[] {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const indent = ' '.repeat(9);
  const count = (result: Check['result']) => {
    const found = checks.filter((check) => check.result === result).length;
    return `${found} ${result}${found === 1 ? '' : 's'}`;
  };
  return [
    ...checks.flatMap(({ name, result, found, fix }) => [
      `${style(TONES[result], result.padEnd(8))} ${name.padEnd(width)}  ${found}`,
      ...(fix === undefined ? [] : [`${indent}${style('strong', 'fix:')} ${fix}`]),
    ]),
    `${count('failure')}, ${count('warning')}; nothing was changed`,
  ];
}
