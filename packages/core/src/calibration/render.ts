import type { VerdictCode } from '../judge/evidence.ts';
import type { JudgePolicy } from '../judge/judge-policy.ts';
import { amount, duration, percent } from '../judge/required-sample.ts';
import type { Styler } from '../view/render.ts';
import { type Calibration, longTime, type ReplayOutcomes } from './calibration.ts';
import { METRIC_WORDS, type Recommendation, short } from './recommendations.ts';

const WIDTH = 80;
const LABEL = 14;

const plain: Styler = (_tone, text) => text;

/** A calibration as lines of at most 80 columns, without line ends. */
export function renderCalibration(
  calibration: Calibration,
  policy: JudgePolicy,
  style: Styler = plain,
): string[] {
  const { outcomes, missing } = calibration;
  return [
    ...historyLines(calibration),
    '',
    style('strong', 'Releases that never were'),
    ...wrapped(
      "Each of stable's tasks in turn plays the canary alongside the others. All run one version, so whatever is failed here is a false rollback.",
      '  ',
    ),
    ...outcomeTable(outcomes, policy, style),
    ...wrapped(
      `"At most" holds with 99 % confidence, as if releases were independent of each other; ${percent(policy.alpha)} is promised.`,
      '  ',
    ),
    ...causeLines(calibration),
    '',
    style('strong', 'What was learnt'),
    ...learntLines(calibration),
    '',
    style('strong', 'Recommended'),
    ...recommendationLines(calibration, style),
    ...(missing.length === 0 ? [] : ['', style('strong', 'Missing')]),
    ...missing.flatMap((each) => wrapped(each, '  ')),
  ];
}

function historyLines({ history, learnt }: Calibration): string[] {
  const { fromMs, toMs, lines, tasks, tasksKept, tasksAtOnce } = history;
  const { messagesPerSecond, failureRate, clumping } = learnt.traffic;
  const part = tasksKept < tasks ? `, of which the lines of ${tasksKept} were kept` : '';
  const together = clumping < 1.5 ? 'each by itself' : `about ${amount(clumping)} at a time`;
  return [
    ...labelled(
      'History',
      `${longTime(toMs - fromMs)}: ${lines} lines of ${tasks} tasks${part}, ${tasksAtOnce.toFixed(1)} at once`,
    ),
    ...labelled(
      'Traffic',
      `${amount(messagesPerSecond)} messages/s on stable; ${percent(failureRate)} fail on their first delivery, ${together}`,
    ),
  ];
}

function outcomeTable(outcomes: Calibration['outcomes'], { alpha }: JudgePolicy, style: Styler): string[] {
  const rows = (
    [
      ['a task in mid-life', outcomes.task],
      ['a task that started', outcomes.start],
      ['together', outcomes.together],
    ] as const
  ).filter(([, { releases }]) => releases > 0);
  const cells = (name: string, its: ReplayOutcomes) => [
    name.padEnd(20),
    String(its.releases).padStart(9),
    String(its.failed).padStart(7),
    percent(Number(its.failedRateUpTo.toPrecision(2))).padStart(8),
    String(its.passed).padStart(7),
    String(its.inconclusive).padStart(10),
    (its.medianMsToPass === undefined ? '-' : duration(its.medianMsToPass)).padStart(11),
  ];
  const head = [
    'the canary is'.padEnd(20),
    ' releases',
    ' failed',
    ' at most',
    ' passed',
    ' undecided',
    '   passes',
  ];
  return [
    style('quiet', `  ${head.join('')}`),
    ...rows.map(([name, its]) => {
      const tone = its.failed === 0 ? 'good' : its.failed / its.releases > alpha ? 'bad' : 'quiet';
      const [first, releases, failed, ...others] = cells(name, its);
      return `  ${first}${releases}${style(tone, failed!)}${others.join('')}`;
    }),
  ];
}

function causeLines({ byMetric, byDryRun, byCode, outcomes }: Calibration): string[] {
  const { failedAfterPass } = outcomes.together;
  const after = failedAfterPass === 0 ? '' : `; ${failedAfterPass} of them after a pass`;
  const failed = byMetric.map(({ metric, failed }) => `${failed} on ${METRIC_WORDS[metric]}`);
  const dry = byDryRun.map(({ metric, releases }) => `${releases} on ${METRIC_WORDS[metric]}`);
  const undecided = byCode.map(({ code, releases }) => `${releases} ${CODE_WORDS[code] ?? code}`);
  return [
    ...(failed.length === 0 ? [] : labelled('Failed', `${failed.join(', ')}${after}`)),
    ...(dry.length === 0 ? [] : labelled('Dry run', `would have failed ${dry.join(', ')}`)),
    ...(undecided.length === 0 ? [] : labelled('Undecided', undecided.join(', '))),
  ];
}

const CODE_WORDS: Readonly<Partial<Record<VerdictCode, string>>> = {
  deadline: 'at the deadline',
  undecided: 'when the task ended',
  'stable-differs': "because stable's own tasks differ",
  concern: 'held back by a concern',
  'no-data': 'without messages',
  'canary-silent': 'because the task fell silent',
  'baseline-silent': 'because the others fell silent',
  'not-measured': 'without lines',
};

function learntLines({ learnt }: Calibration): string[] {
  const { differences, warming, certification } = learnt;
  const { rateSpread, worst, slowest } = differences;
  const spread =
    rateSpread === 0
      ? "tasks' rates differ by no more than chance"
      : `tasks' rates differ by a factor of ${amount(Math.exp(rateSpread))} (spread ${amount(rateSpread)})`;
  const most =
    worst === undefined ? '' : `; task ${short(worst.task)} fails ${amount(worst.times)} times as often`;
  const slow =
    slowest === undefined
      ? 'no task is surely slower than the others'
      : `task ${short(slowest.task)} takes ${amount(slowest.times)} times as long as the others`;
  const { margin, messages, durationMs, quietDurationMs } = certification;
  const quiet =
    quietDurationMs === undefined || quietDurationMs === durationMs
      ? ''
      : `; ${duration(quietDurationMs)} where traffic is thin`;
  const takes =
    messages === undefined || durationMs === undefined
      ? `a margin of ${percent(margin)} cannot be certified here`
      : `a margin of ${percent(margin)} takes about ${duration(durationMs)}, ${messages} messages${quiet}`;
  return [
    ...labelled('Failures', `${spread}${most}`),
    ...labelled('Speed', slow),
    ...labelled('Warm', warmingWords(warming)),
    ...labelled('To certify', takes),
  ];
}

function warmingWords(warming: Calibration['learnt']['warming']): string {
  if (warming === undefined) return 'not known; no task started and then lived for half an hour';
  const { starts, warmAfterMs, isLater, young, warm } = warming;
  const from = `seen in ${starts} ${starts === 1 ? 'start' : 'starts'}`;
  if (young === undefined) return `new tasks work like old ones, ${from}`;
  const medians =
    young.medianMs === undefined || warm.medianMs === undefined
      ? ''
      : ` and take ${amount(young.medianMs)} ms (later ${amount(warm.medianMs)})`;
  const when = isLater ? `not even after ${duration(warmAfterMs)}` : `after ${duration(warmAfterMs)}`;
  return `${when}, ${from}; until then tasks fail ${percent(young.failureRate)} (later ${percent(warm.failureRate)})${medians}`;
}

function recommendationLines({ recommendations, recommended }: Calibration, style: Styler): string[] {
  if (recommended === undefined) return ['  Nothing; what was seen does not argue against the settings.'];
  const { failed, undecided } = recommended;
  const tried = [
    ...(failed.tried === 0
      ? []
      : [`Of the ${failed.tried} that were failed ${failed.stillFailed} still would be.`]),
    ...(undecided.tried === 0
      ? []
      : [
          `Of ${undecided.tried} that were undecided ${undecided.passed} would pass, and ${undecided.failed} be failed.`,
        ]),
  ];
  return [
    ...recommendations.flatMap(({ setting, value, before, reason }) => [
      `  ${style('strong', `${setting}=${shown(value)}`)}${style('quiet', ` instead of ${shown(before)}`)}`,
      ...wrapped(reason, '    '),
    ]),
    ...(tried.length === 0 ? [] : wrapped(tried.join(' '), '  ')),
    ...wrapped('Give them with all your other settings:', '  '),
    ...commandLines(recommendations.map(({ setting, value }) => `-c ${setting}=${shown(value)}`)),
  ];
}

/** A command that a shell takes as it is, however many lines it has. */
function commandLines(settings: readonly string[]): string[] {
  const lines = filled(['queue-canary deploy pipeline', ...settings], '    ', WIDTH - 2);
  return lines.map((line, index) => (index < lines.length - 1 ? `${line} \\` : line));
}

function shown(value: Recommendation['value']): string {
  if (typeof value === 'number') return String(value);
  return value.length === 0 ? 'none' : value.join(',');
}

function labelled(label: string, text: string): string[] {
  return wrapped(text, ' '.repeat(LABEL + 2)).map((line, index) =>
    index === 0 ? `  ${label.padEnd(LABEL)}${line.trimStart()}` : line,
  );
}

/** Words in lines of at most {@link WIDTH} columns. */
function wrapped(text: string, indent: string): string[] {
  return filled(text.split(' '), indent, WIDTH);
}

/** Pieces in lines of at most so many columns; a piece stays whole. */
function filled(pieces: readonly string[], indent: string, width: number): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const piece of pieces) {
    if (line.length > indent.length && line.length + 1 + piece.length > width) {
      lines.push(line);
      line = indent;
    }
    line += line.length > indent.length ? ` ${piece}` : piece;
  }
  return [...lines, line];
}
