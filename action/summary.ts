import { statusRows } from '@queue-canary/core';
import type { Ending } from './ending.ts';
import { shown } from './workflow-text.ts';

/** What is summed up. */
export interface Released {
  readonly executionId: string;
  readonly app: string;
  readonly region: string;
  readonly pipeline: string;
}

/** The summary of the workflow's step, in Markdown: what became of the release, the evidence, and what to do. */
export function summaryOf(
  ending: Ending,
  { executionId, app, region, pipeline }: Released,
  nowMs: number,
): string {
  const page = `https://${region}.console.aws.amazon.com/codesuite/codepipeline/pipelines/${encodeURIComponent(pipeline)}/view?region=${region}`;
  const rows = [
    ...(ending.image === undefined ? [] : [['Image', shown(ending.image)]]),
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
