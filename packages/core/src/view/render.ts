import { stages } from '../contract.ts';
import { amount, duration } from '../judge/required-sample.ts';
import type { Phase } from '../release/phase.ts';
import { initialExecutionId, type LastGood } from '../release/record.ts';
import type { ExecutionView, ReleaseView, StageStatus, StageView, TrackView, VerdictView } from './view.ts';

/** How a piece of text is meant; the terminal gives each a colour, a log none. */
export type Tone = 'good' | 'bad' | 'busy' | 'quiet' | 'strong';

/** Dresses a piece of text for where it is shown. Must not change its visible width. */
export type Styler = (tone: Tone, text: string) => string;

const plain: Styler = (_tone, text) => text;

const phaseTones: Readonly<Record<Phase, Tone>> = {
  idle: 'quiet',
  deploying: 'busy',
  baking: 'busy',
  awaitingApproval: 'strong',
  promoting: 'busy',
  succeeded: 'good',
  rollingBack: 'bad',
  rolledBack: 'bad',
  aborted: 'bad',
  updating: 'busy',
  drifted: 'bad',
  halted: 'bad',
};

const phaseNames: Readonly<Record<Phase, string>> = {
  idle: 'idle',
  deploying: 'deploying the canary',
  baking: 'baking',
  awaitingApproval: 'awaiting approval',
  promoting: 'promoting',
  succeeded: 'succeeded',
  rollingBack: 'rolling back',
  rolledBack: 'rolled back',
  aborted: 'aborted',
  updating: 'a stack update has the canary',
  drifted: 'changed from outside, being restored',
  halted: 'halted: a person must act',
};

const stageSigns: Readonly<Record<StageStatus, { readonly sign: string; readonly tone: Tone }>> = {
  waiting: { sign: '·', tone: 'quiet' },
  running: { sign: '▸', tone: 'busy' },
  succeeded: { sign: '✓', tone: 'good' },
  failed: { sign: '✗', tone: 'bad' },
  stopped: { sign: '■', tone: 'bad' },
};

const verdictTones: Readonly<Record<VerdictView['kind'], Tone>> = {
  pass: 'good',
  fail: 'bad',
  inconclusive: 'busy',
  error: 'bad',
};

/**
 * The lines of a status report, without line ends.
 *
 * Times are given as ages relative to `nowMs`, so the same view at the same instant always renders alike.
 */
export function renderStatus(view: ReleaseView, nowMs: number, style: Styler = plain): string[] {
  return statusRows(view, nowMs, style).map(([label, text]) => `${label.padEnd(14)}${text}`);
}

/** A line of a status report: what it is about, empty if that is what the line before is about, and what it says. */
export type StatusRow = readonly [label: string, text: string];

/** What {@link renderStatus} shows, for what has columns of its own. */
export function statusRows(view: ReleaseView, nowMs: number, style: Styler = plain): StatusRow[] {
  const rows: StatusRow[] = [];
  const phase = style(phaseTones[view.phase], phaseNames[view.phase]);
  rows.push([
    'Release',
    `${view.release ? `${name(view.release, style)}  ` : ''}${phase}${view.since === undefined ? '' : style('quiet', `  for ${age(nowMs - view.since)}`)}`,
  ]);
  if (view.stages.length > 0) {
    rows.push(['Stages', view.stages.map((stage) => stageText(stage, nowMs, style)).join('  ')]);
  }
  for (const stage of view.stages) {
    if (stage.status === 'failed' && stage.note !== undefined) {
      rows.push(['', style('bad', `${stage.name}: ${stage.note}`)]);
    }
  }
  for (const track of view.tracks) {
    rows.push([track.track === 'canary' ? 'Canary' : 'Stable', trackText(track, style)]);
  }
  if (view.verdict !== undefined) {
    const { kind, summary, statements } = view.verdict;
    rows.push(['Verdict', style(verdictTones[kind], summary)]);
    for (const statement of [...statements, ...furtherStatements(view.verdict)]) {
      rows.push(['', style('quiet', statement)]);
    }
  }
  if (view.lateness !== undefined) {
    const [usual, longest] = [view.lateness.medianMs, view.lateness.maxMs].map((ms) =>
      (ms / 1000).toFixed(1),
    );
    rows.push(['Lines', style('quiet', `in the log ${usual} s after their interval, at most ${longest} s`)]);
  }
  for (const alarm of view.alarms) {
    const tone: Tone = alarm.value === 'OK' ? 'good' : alarm.value === 'ALARM' ? 'bad' : 'quiet';
    rows.push([
      'Alarm',
      `${alarm.name}  ${style(tone, alarm.value)}${style('quiet', `  for ${age(nowMs - alarm.since)}`)}`,
    ]);
  }
  if (view.deadLetterDepth !== undefined) {
    const grown = view.release?.deadLetters;
    rows.push([
      'Dead letters',
      `${view.deadLetterDepth}${grown === undefined ? '' : style(grown > 0 ? 'bad' : 'quiet', `  ${grown} during this release`)}`,
    ]);
  }
  rows.push([
    'Last good',
    view.lastGood
      ? `${goodName(view.lastGood, style)}  ${style('quiet', shortImage(view.lastGood.imageUri))}`
      : style('quiet', 'none recorded yet'),
  ]);
  for (const execution of view.waiting) rows.push(['Waiting', name(execution, style)]);
  const builds = view.stages.some((stage) => stage.name === stages.build.stage);
  for (const execution of view.building)
    rows.push([builds ? 'Building' : 'Starting', name(execution, style)]);
  if (view.failedBuild) {
    const { stage, note = '' } = view.failedBuild;
    const cause = note === '' ? '' : `: ${note.replace(/\s+/g, ' ').trim()}`;
    rows.push([
      builds ? 'Not built' : 'Not started',
      `${name(view.failedBuild, style)}  ${style('bad', `${stage} failed${cause}`)}${stage === stages.build.stage ? '; its log: queue-canary logs build' : ''}`,
    ]);
  }
  if (view.approvalPending) {
    rows.push(['Approval', style('strong', 'pending: queue-canary approve, or queue-canary reject')]);
  }
  for (const reason of view.reasons) rows.push(['Because', reason]);
  for (const problem of view.problems) {
    if (!view.reasons.includes(problem)) rows.push(['Unknown', style('bad', problem)]);
  }
  return rows;
}

/** A factor of latency from which on a quantile is slower in a way that a person should read of. */
const SLOWER_FROM = 1.1;

const quantileNames: ReadonlyMap<number, string> = new Map([
  [0.9, '90th percentile'],
  [0.99, '99th percentile'],
]);

/** What the evidence says beyond the statements: slow tails, concerns of any verdict, and what comes next. */
function furtherStatements({
  kind,
  summary,
  statements,
  effects,
  projected,
  concerns,
}: VerdictView): string[] {
  const said = [summary, ...statements].join(' ').toLowerCase();
  const slow = (effects?.latency ?? []).flatMap(({ quantile, low, high }) => {
    const at = quantileNames.get(quantile);
    // An interval that reaches to the end of what is tried knows no more than its other end.
    const times = high < 4 ? `between ${amount(low)} and ${amount(high)}` : `at least ${amount(low)}`;
    return at === undefined || low < SLOWER_FROM
      ? []
      : [`At the ${at} the canary takes ${times} times as long as stable (95 % confidence).`];
  });
  const unsaid = concerns.filter((concern) => !said.includes(concern.summary.toLowerCase()));
  const isOpen = kind === 'inconclusive' && !said.includes('if all goes on');
  return [
    ...slow,
    ...unsaid.map(
      (concern) => `A person should see that ${concern.summary}${concern.summary.endsWith('?') ? '' : '.'}`,
    ),
    ...(isOpen && projected !== undefined
      ? [
          `If all goes on as it has, the canary ${projected.kind === 'pass' ? 'passes' : 'fails'} in about ${duration(projected.ms)}.`,
        ]
      : []),
  ];
}

function stageText(stage: StageView, nowMs: number, style: Styler): string {
  const { sign, tone } = stageSigns[stage.status];
  const took = stage.startedAt === undefined ? '' : ` ${age((stage.endedAt ?? nowMs) - stage.startedAt)}`;
  return style(tone, `${sign} ${stage.name}${took}`);
}

function trackText(track: TrackView, style: Styler): string {
  const tasks = `${track.running}/${track.desired} tasks${track.pending > 0 ? ` (${track.pending} pending)` : ''}`;
  const state = track.steady
    ? style('good', 'steady')
    : track.rollout === 'FAILED'
      ? style('bad', 'deployment failed')
      : style('busy', 'deploying');
  const runs = { lastGood: 'last good', candidate: 'candidate', other: 'neither release' }[track.runs];
  const version = track.commit === undefined ? shortImage(track.image) : short(track.commit);
  return `${version}  ${style(track.runs === 'other' ? 'bad' : 'quiet', runs)}  ${tasks}  ${state}`;
}

function name({ executionId, commit, commitMessage, image }: ExecutionView, style: Styler): string {
  const title = short(commit ?? executionId);
  const message = image === undefined ? commitMessage?.split('\n', 1)[0] : shortImage(image);
  return `${style('strong', title)}${message ? ` ${message}` : ''}`;
}

function goodName({ executionId, commit }: LastGood, style: Styler): string {
  return executionId === initialExecutionId ? style('quiet', 'as created') : short(commit ?? executionId);
}

/** Of a commit or an execution. */
function short(id: string): string {
  return id.slice(0, 8);
}

/** `repository@sha256:0123abcd`, without the registry's host and most of the digest. */
function shortImage(imageUri: string): string {
  const [path = '', digest] = imageUri.split('@');
  const repository = path.slice(path.lastIndexOf('/') + 1);
  return digest === undefined ? repository : `${repository}@${digest.slice(0, 15)}`;
}

/** A duration in its two largest units: `45 s`, `3 min 20 s`, `2 h 5 min`, `4 d 1 h`. */
function age(ms: number): string {
  const total = Math.max(0, Math.round(ms / 1000));
  if (total < 60) return `${total} s`;
  const units: readonly (readonly [string, number])[] = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ];
  const first = units.findIndex(([, size]) => total >= size);
  const parts: string[] = [];
  let rest = total;
  for (const [unit, size] of units.slice(first, first + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return parts.join(' ');
}
