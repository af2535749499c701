import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AWS_LATENCIES, ByteIds, type Clock, type RunningEngine, startEngine } from '@queue-canary/engine';
import { readEngineFile } from '../target.ts';
import type { Terminal } from '../terminal.ts';
import { CliError } from '../user-error.ts';
import { journalLine } from './journal-line.ts';

export interface UpOptions {
  readonly state: string;
  /** Absent or 0: the one that this state directory's engine had before. */
  readonly port?: number;
  readonly pace: number;
  /** Of the chances that AWS's varying latencies and approximate counts are drawn from. @default others each time */
  readonly seed?: number;
  /** Absent: the one that this state directory's engine had before. */
  readonly region?: string;
}

const USUAL_PORT = 4580;
const USUAL_REGION = 'us-east-1';

/**
 * The port and region that the engine of a state directory had the last time. Queue, image and clone addresses
 * in deployed stacks name the port, and all ARNs the region, so a restart keeps both.
 */
function earlier(state: string): { readonly port: number; readonly region: string } | undefined {
  if (!existsSync(join(state, 'engine.json'))) return undefined;
  const { endpoint, region } = readEngineFile(state);
  return { port: Number(new URL(endpoint).port), region };
}

/** Starts the engine and says where it is. The caller closes it. */
export async function up(options: UpOptions, clock: Clock, terminal: Terminal): Promise<RunningEngine> {
  const startedAtMs = clock.nowMs();
  const before = earlier(options.state);
  const port = options.port || (before?.port ?? options.port ?? USUAL_PORT);
  const region = options.region ?? before?.region ?? USUAL_REGION;
  if (before !== undefined && region !== before.region) {
    throw new CliError(
      `the state in ${options.state} belongs to ${before.region}, not ${region}: leave out --region, or choose another directory with --state`,
    );
  }
  if (before !== undefined && port !== before.port) {
    terminal.line(
      terminal.style(
        'bad',
        `this engine used port ${before.port}, and its deployed stacks name that port: leave out --port to keep it`,
      ),
    );
  }
  const engine = await startEngine({
    directory: options.state,
    port,
    pace: options.pace,
    region,
    clock,
    ids: options.seed === undefined ? new ByteIds() : ByteIds.withSeededChances(options.seed),
    onStateFailure: (error) => {
      terminal.line(`${terminal.style('bad', 'error:')} ${error.message}`);
      // At once: whatever runs under the engine ends with it, and nothing more is answered.
      process.exit(1);
    },
    onCrash: (error) =>
      terminal.line(terminal.style('bad', `bug in the engine: ${(error as Error).stack ?? error}`)),
  });
  const { style } = terminal;
  terminal.line(
    `${style('good', 'ready')} in ${clock.nowMs() - startedAtMs} ms at ${style('strong', engine.endpoint)}  account ${engine.accountId}, ${engine.region}, state in ${options.state}`,
  );
  terminal.line(style('quiet', `for other tools:  eval "$(queue-canary env --state ${options.state})"`));
  if (options.pace !== 1) {
    terminal.line(
      `pace ${options.pace}: AWS's own latencies are divided by ${options.pace}, nothing else is sped up`,
    );
    for (const latency of Object.values(AWS_LATENCIES)) {
      const { ms, what } = latency;
      const worst =
        'worstMs' in latency ? `, ${brief(latency.worstMs / options.pace / 1000)} s at worst` : '';
      terminal.line(
        style(
          'quiet',
          `  ${(ms / 1000).toFixed(0).padStart(5)} s -> ${brief(ms / options.pace / 1000)} s  ${what}${worst}`,
        ),
      );
    }
  }
  terminal.line(style('quiet', 'Ctrl-C stops the engine and everything that it runs'));
  engine.journal.subscribe((entry) => {
    const text = journalLine(entry);
    if (text !== undefined) {
      terminal.line(`${style('quiet', new Date(entry.atMs).toISOString().slice(11, 23))} ${text}`);
    }
  });
  return engine;
}

function brief(seconds: number): string {
  return seconds >= 0.95 ? seconds.toFixed(1) : seconds.toPrecision(1);
}
