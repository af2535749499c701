import { sleep } from '@queue-canary/engine';
import type { Context } from '../context.ts';
import { buildOutputs, pipelineOutputs } from '../stacks.ts';
import { logLine } from './log-line.ts';

export type LogSource = 'canary' | 'stable' | 'controller' | 'build';

export interface LogsOptions {
  readonly follow: boolean;
  /** How far back, milliseconds. */
  readonly sinceMs: number;
  /** Print messages exactly as they were written. */
  readonly raw: boolean;
}

/** Prints the log lines of one part, oldest first; with `follow` goes on until Ctrl-C. */
export async function logs(context: Context, source: LogSource, options: LogsOptions): Promise<void> {
  const { clients, clock, signal } = context;
  const logGroupName = await logGroupOf(context, source);
  let startTime = clock.nowMs() - options.sinceMs;
  const seen = new Set<string>();
  do {
    let nextToken: string | undefined;
    do {
      const page = await clients.logs.filterLogEvents({
        logGroupName,
        startTime,
        ...(nextToken === undefined ? {} : { nextToken }),
      });
      for (const event of page.events ?? []) {
        if (event.eventId !== undefined && seen.has(event.eventId)) continue;
        if (event.eventId !== undefined) seen.add(event.eventId);
        if (options.follow) startTime = Math.max(startTime, (event.timestamp ?? 0) - 10_000);
        const message = event.message?.trimEnd() ?? '';
        context.print(
          options.raw ? message : `${new Date(event.timestamp ?? 0).toISOString()} ${logLine(message)}`,
        );
      }
      nextToken = page.nextToken;
    } while (nextToken !== undefined && !signal.aborted);
    if (options.follow) await sleep(clock, 1000, signal);
  } while (options.follow && !signal.aborted);
}

async function logGroupOf(context: Context, source: LogSource): Promise<string> {
  const { cloudformation } = context.clients;
  if (source === 'build') {
    const { BuildProjectName } = await buildOutputs(cloudformation, context.app);
    const { projects } = await context.clients.codebuild.batchGetProjects({ names: [BuildProjectName] });
    return projects?.[0]?.logsConfig?.cloudWatchLogs?.groupName ?? `/aws/codebuild/${BuildProjectName}`;
  }
  const outputs = await pipelineOutputs(cloudformation, context.app);
  return {
    canary: outputs.CanaryLogGroupName,
    stable: outputs.StableLogGroupName,
    controller: outputs.ControllerLogGroupName,
  }[source];
}
