import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import {
  type CalibrationProgress,
  type CalibrationResult,
  calibrate,
  defaultReleasePolicy,
  History,
  type JudgePolicy,
  outcomeLinePattern,
  parseJudgePolicy,
  parseLine,
  parsePolicy,
  renderCalibration,
} from '@queue-canary/core';
import type { Context } from '../context.ts';
import { controllerSettings } from '../controller-settings.ts';
import { pipelineOutputs } from '../stacks.ts';
import { CliError } from '../user-error.ts';

export interface CalibrateOptions {
  /** How far back the log is read. */
  readonly days: number;
  /** A file with another policy than the deployed one. */
  readonly policy?: string;
  readonly json?: boolean;
}

const DAY_MS = 86_400_000;

/** What was read of the log, and what of it could not be. */
interface Read {
  readonly history: History;
  /** Outcome lines that this version cannot judge, and what is wrong with the first of them. */
  readonly unreadable: { readonly lines: number; readonly problem: string } | undefined;
}

/**
 * Prints what the judge would have done to good releases in the last days, and which settings would fit better. It
 * reads, and changes nothing.
 */
export async function calibrateHistory(context: Context, options: CalibrateOptions): Promise<void> {
  const { terminal, clients } = context;
  const policy = await judgePolicy(context, options.policy);
  const { StableLogGroupName } = await pipelineOutputs(clients.cloudformation, context.app);
  const { history, unreadable } = await readHistory(context, StableLogGroupName, options.days);
  if (unreadable !== undefined) {
    const { lines, problem } = unreadable;
    terminal.line(
      `${lines === 1 ? 'an outcome line' : `${lines} outcome lines`} cannot be read and is left out (${problem})`,
    );
  }
  const result = await run(context, calibrate(history, policy));
  if (!result.ok) throw new CliError(`there is too little history to calibrate: ${result.missing}`);
  const { calibration } = result;
  if (options.json) {
    context.print(
      JSON.stringify({ policy, ...calibration, unreadableLines: unreadable?.lines ?? 0 }, null, 2),
    );
  } else {
    for (const line of renderCalibration(calibration, policy, terminal.style)) context.print(line);
  }
}

/** Reads a day after the other: a page holds a thousand lines, and a week has hundreds of thousands. */
async function readHistory(context: Context, logGroupName: string, days: number): Promise<Read> {
  const { clients, clock, terminal, signal } = context;
  const toMs = clock.nowMs();
  const fromMs = toMs - days * DAY_MS;
  const history = new History(fromMs, toMs);
  let [read, lines] = [0, 0];
  let problem: string | undefined;
  for (let day = 0; day < days; day += 1) {
    const startTime = fromMs + day * DAY_MS;
    let nextToken: string | undefined;
    do {
      const page = await clients.logs
        .filterLogEvents(
          {
            logGroupName,
            filterPattern: outcomeLinePattern,
            startTime,
            endTime: startTime + DAY_MS - 1,
            ...(nextToken === undefined ? {} : { nextToken }),
          },
          { abortSignal: signal },
        )
        .catch((error: unknown) => {
          throw signal.aborted ? interrupted() : error;
        });
      for (const { message = '' } of page.events ?? []) {
        const line = parseLine(message);
        if (line === undefined) continue;
        if ('problem' in line) {
          lines += 1;
          problem ??= line.problem;
        } else {
          read += 1;
          history.add(line);
        }
      }
      terminal.live(`  reading day ${day + 1} of ${days}: ${read} lines so far`);
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    if (!terminal.interactive) terminal.line(`read day ${day + 1} of ${days}: ${read} lines so far`);
  }
  terminal.line(`read ${read} lines of ${days} ${days === 1 ? 'day' : 'days'}`);
  return { history, unreadable: problem === undefined ? undefined : { lines, problem } };
}

/** Goes on until the end, or until Ctrl-C. */
async function run(
  { terminal, signal }: Context,
  calibration: Generator<CalibrationProgress, CalibrationResult>,
): Promise<CalibrationResult> {
  let replayed = 0;
  for (let step = calibration.next(); ; step = calibration.next()) {
    if (step.done === true) {
      terminal.line(`replayed ${replayed} releases`);
      return step.value;
    }
    const { doing, done, total } = step.value;
    if (doing === 'replaying') replayed = done;
    const what = doing === 'replaying' ? 'replaying release' : 'trying other settings on release';
    terminal.live(`  ${what} ${done} of ${total}`);
    if (done === 1 && !terminal.interactive) terminal.line(`${what} 1 of ${total}`);
    // Ctrl-C is heard only between turns.
    await setImmediate();
    if (signal.aborted) throw interrupted();
  }
}

/** The deployed judge, or that of a file: a release policy as a whole, or settings that differ from the deployed ones. */
async function judgePolicy(context: Context, file: string | undefined): Promise<JudgePolicy> {
  const deployed = async () => (await controllerSettings(context)).policy.judge;
  if (file === undefined) return deployed();
  const document = documentIn(file);
  const isRelease = Object.keys(document).some((setting) => Object.hasOwn(defaultReleasePolicy, setting));
  if (isRelease) {
    const parsed = parsePolicy(document);
    if (parsed.ok) return parsed.policy.judge;
    throw notAPolicy(file, parsed.problems);
  }
  const parsed = parseJudgePolicy({ ...(await deployed()), ...document });
  if (parsed.ok) return parsed.policy;
  throw notAPolicy(file, parsed.problems);
}

function documentIn(file: string): object {
  let document: unknown;
  try {
    document = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new CliError(`${file} cannot be read as JSON: ${(error as Error).message}`);
  }
  if (typeof document === 'object' && document !== null && !Array.isArray(document)) return document;
  throw new CliError(`${file} must hold a JSON object: a release policy, or settings of the judge`);
}

function notAPolicy(file: string, problems: readonly { readonly message: string }[]): CliError {
  return new CliError(`${file} is not a valid policy: ${problems.map(({ message }) => message).join('; ')}`);
}

function interrupted(): CliError {
  return new CliError('interrupted; nothing was changed');
}
