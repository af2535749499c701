import {
  type Approval,
  DECIDERS,
  type DecidedBy,
  type Phase,
  type Styler,
  type Track,
} from '@queue-canary/core';
import { table } from '../table.ts';
import { seconds } from '../terminal.ts';
import type { Outcome } from './outcomes.ts';

/** One thing that the demo checked. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** One time and its aim. */
export interface Figure {
  readonly name: string;
  readonly ms: number;
  readonly aimMs: number;
}

/** One count and its aim. */
export interface Count {
  readonly name: string;
  readonly count: number;
  readonly aim: number;
}

/** One release and its course. Instants are epoch milliseconds. */
export interface ReleaseReport {
  readonly version: string;
  readonly commit: string;
  readonly executionId: string;
  /** Each phase that was seen, in order, with the moment at which it was first seen. */
  readonly phases: ReadonlyArray<{ readonly phase: Phase; readonly at: number }>;
  readonly outcome: Phase;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly reasons: readonly string[];
  /** Who ended it, or promoted it. */
  readonly decidedBy: DecidedBy;
  /** First attempts that the canary had finished and failed when the judge decided, in messages. */
  readonly canaryUnits?: number;
  readonly canaryFailures?: number;
  /** The judge's verdict in words. */
  readonly evidence?: string;
}

/** The document that `demo --json` prints. */
export interface DemoReport {
  readonly ok: boolean;
  /** Who promotes: the judge, or a person. */
  readonly approval: Extract<Approval, 'automatic' | 'manual'>;
  readonly pace: number;
  readonly messagesPerSecond: number;
  readonly totalMs: number;
  readonly releases: readonly ReleaseReport[];
  readonly messages: {
    readonly sent: number;
    /** Of these, malformed ones that no version can process. */
    readonly poison: number;
    readonly processed: number;
    readonly byTrackAndVersion: ReadonlyArray<{
      readonly track: Track;
      readonly version: string;
      readonly received: number;
      readonly succeeded: number;
      readonly failed: number;
    }>;
    /** Failed attempts; a message can fail more than once. */
    readonly failedAttempts: number;
    readonly deadLettered: number;
    readonly queued: number;
    readonly conserved: boolean;
  };
  readonly figures: readonly Figure[];
  readonly counts: readonly Count[];
  readonly checks: readonly Check[];
}

/** The messages part of a report, with the conservation check. */
export function messagesReport(
  { sent, poison }: { readonly sent: number; readonly poison: number },
  outcomes: readonly Outcome[],
  deadLettered: number,
  queued: number,
): DemoReport['messages'] {
  const processed = outcomes.reduce((sum, { succeeded }) => sum + succeeded, 0);
  return {
    sent,
    poison,
    processed,
    byTrackAndVersion: outcomes.map(({ track, version, received, succeeded, failed }) => ({
      track,
      version,
      received,
      succeeded,
      failed,
    })),
    failedAttempts: outcomes.reduce((sum, { failed }) => sum + failed, 0),
    deadLettered,
    queued,
    conserved: sent === processed + deadLettered + queued,
  };
}

/** The report as lines for people. */
export function renderReport(report: DemoReport, style: Styler): string[] {
  const { messages } = report;
  const lines: string[] = [''];
  lines.push(style('strong', 'Releases'));
  const rows = report.releases.map((release) => [
    `version ${release.version}`,
    release.commit.slice(0, 8),
    release.outcome,
    DECIDERS[release.decidedBy],
    release.canaryUnits ? `${release.canaryFailures ?? 0} of ${release.canaryUnits}` : '',
    seconds(release.endedAt - release.startedAt),
    release.phases
      .map(({ phase, at }) => `${phase} +${((at - release.startedAt) / 1000).toFixed(1)}`)
      .join(', '),
  ]);
  lines.push(
    ...table(
      [
        'version',
        'commit',
        'outcome',
        'decided by',
        'canary failures',
        'time',
        'phases (seconds since the start)',
      ],
      rows,
    ),
  );
  for (const { version, reasons, outcome, evidence } of report.releases) {
    if (outcome !== 'succeeded') lines.push(`  version ${version}: ${reasons.join('; ')}`);
    else if (evidence !== undefined) lines.push(`  version ${version}: ${evidence}`);
  }
  lines.push('', style('strong', 'Messages'));
  lines.push(
    ...table(
      ['track', 'version', 'received', 'processed', 'failed attempts'],
      messages.byTrackAndVersion.map((row) => [
        row.track,
        row.version,
        String(row.received),
        String(row.succeeded),
        String(row.failed),
      ]),
    ),
  );
  const sum = `sent ${messages.sent} = processed ${messages.processed} + dead-lettered ${messages.deadLettered} + still queued ${messages.queued}`;
  lines.push(`  ${messages.conserved ? style('good', sum) : style('bad', `NOT CONSERVED: ${sum}`)}`);
  lines.push('', style('strong', `Times at pace ${report.pace}`));
  for (const { name, ms, aimMs } of report.figures) {
    const within = ms <= aimMs;
    lines.push(
      `  ${style(within ? 'good' : 'bad', seconds(ms).padStart(8))}  ${name} (aim ${seconds(aimMs)})`,
    );
  }
  for (const { name, count, aim } of report.counts) {
    lines.push(`  ${style(count <= aim ? 'good' : 'bad', String(count).padStart(8))}  ${name} (aim ${aim})`);
  }
  lines.push('', style('strong', 'Checks'));
  for (const { name, ok, detail } of report.checks) {
    lines.push(
      `  ${ok ? style('good', '✓') : style('bad', '✗')} ${name}${detail ? style('quiet', `  ${detail}`) : ''}`,
    );
  }
  return lines;
}
