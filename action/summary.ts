import { statusRows } from '@queue-canary/core';
import type { StartedRelease } from '../packages/cli/src/commands/release-start.ts';
import type { Ending } from './ending.ts';
import { shown } from './workflow-text.ts';

/** Where a release is, for links to it. */
export interface Place {
  readonly app: string;
  readonly region: string;
  readonly pipeline: string;
}

/** The summary of the workflow's step, in Markdown: what became of the release, the evidence, and what to do. */
export function summaryOf(
  ending: Ending,
  { executionId, image }: StartedRelease,
  { app, region, pipeline }: Place,
  nowMs: number,
): string {
  const page = `https://${region}.console.aws.amazon.com/codesuite/codepipeline/pipelines/${encodeURIComponent(pipeline)}/view?region=${region}`;
  const rows = [
    ...(image === undefined ? [] : [['Image', shown(image)]]),
    ['Pipeline', `[${shown(pipeline)}](${page}), execution ${shown(executionId)}`],
    ...(ending.view === undefined ? [] : statusRows(ending.view, nowMs)).map((row) => row.map(shown)),
  ];
  return [
    `### ${app}: ${ending.title}`,
    shown(ending.reason),
    ['| | |', '| --- | --- |', ...rows.map(([label, text]) => `| ${label} | ${text} |`)].join('\n'),
    `**What to do:** ${ending.todo}`,
    '',
  ].join('\n\n');
}
