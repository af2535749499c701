const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'] as const;

export type LogLevel = (typeof LEVELS)[number];

/** How a function's log is written. Levels filter JSON only. */
export type LogSettings =
  | { readonly format: 'Text' }
  | { readonly format: 'JSON'; readonly applicationLevel: LogLevel; readonly systemLevel: LogLevel };

/** What Lambda itself writes into a function's log. */
export type PlatformEvent =
  | {
      readonly kind: 'initStart';
      readonly phase: InitPhase;
      readonly functionName: string;
      readonly version: string;
    }
  | {
      readonly kind: 'initFailed';
      readonly phase: InitPhase;
      readonly durationMs: number;
      readonly status: 'error' | 'timeout';
      readonly errorType?: string | undefined;
    }
  | { readonly kind: 'start'; readonly requestId: string; readonly version: string }
  | { readonly kind: 'timeout'; readonly requestId: string; readonly limitMs: number }
  | {
      readonly kind: 'report';
      readonly requestId: string;
      readonly durationMs: number;
      readonly initDurationMs?: number | undefined;
      readonly memoryMiB: number;
      readonly maxMemoryKiB: number;
      readonly status: 'success' | 'error' | 'timeout';
    };

type InitPhase = 'init' | 'invoke';

/** The log events for what Lambda does with a function, in the function's format. */
export function platformLines(event: PlatformEvent, settings: LogSettings, atMs: number): string[] {
  if (settings.format === 'Text') return textLines(event, atMs);
  return records(event)
    .filter(({ level }) => reaches(level, settings.systemLevel))
    .map(({ type, record }) => JSON.stringify({ time: new Date(atMs).toISOString(), type, record }));
}

/**
 * Whether a line that the function wrote goes into its log: JSON is filtered by its level, which is INFO where it says none.
 *
 * https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
 */
export function isLogged(text: string, settings: LogSettings): boolean {
  return settings.format === 'Text' || reaches(levelOf(text), settings.applicationLevel);
}

function reaches(level: LogLevel, least: LogLevel): boolean {
  return LEVELS.indexOf(level) >= LEVELS.indexOf(least);
}

/** The Python runtime says `log_level` where it logs an error of its own. */
function levelOf(text: string): LogLevel {
  if (!text.startsWith('{')) return 'INFO';
  try {
    const { level, log_level: own } = JSON.parse(text) as { level?: unknown; log_level?: unknown };
    const said = String(level ?? own).toUpperCase();
    return LEVELS.find((known) => known === said || (known === 'FATAL' && said === 'CRITICAL')) ?? 'INFO';
  } catch {
    return 'INFO';
  }
}

const milliseconds = (ms: number) => `${ms.toFixed(2)} ms`;

function textLines(event: PlatformEvent, atMs: number): string[] {
  switch (event.kind) {
    case 'initStart':
      return [];
    case 'initFailed': {
      const status = event.errorType === undefined ? event.status : `error\tError Type: ${event.errorType}`;
      return [
        `INIT_REPORT Init Duration: ${milliseconds(event.durationMs)}\tPhase: ${event.phase}\tStatus: ${status}`,
      ];
    }
    case 'start':
      return [`START RequestId: ${event.requestId} Version: ${event.version}`];
    case 'timeout':
      return [
        `${new Date(atMs).toISOString()} ${event.requestId} Task timed out after ${(event.limitMs / 1000).toFixed(2)} seconds`,
      ];
    case 'report':
      return [
        `END RequestId: ${event.requestId}`,
        [
          `REPORT RequestId: ${event.requestId}`,
          `Duration: ${milliseconds(event.durationMs)}`,
          `Billed Duration: ${billedMs(event)} ms`,
          `Memory Size: ${event.memoryMiB} MB`,
          `Max Memory Used: ${usedMiB(event)} MB`,
          ...(event.initDurationMs === undefined
            ? []
            : [`Init Duration: ${milliseconds(event.initDurationMs)}`]),
          ...(event.status === 'success' ? [] : [`Status: ${event.status}`]),
        ].join('\t'),
      ];
  }
}

interface PlatformRecord {
  readonly type: string;
  readonly level: LogLevel;
  readonly record: object;
}

/**
 * The events of Lambda's telemetry, with the levels that its system log gives them.
 *
 * https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
 */
function records(event: PlatformEvent): PlatformRecord[] {
  const initializationType = 'on-demand';
  switch (event.kind) {
    case 'initStart': {
      const { phase, functionName, version } = event;
      const record = { initializationType, phase, functionName, functionVersion: version };
      return [{ type: 'platform.initStart', level: 'INFO', record }];
    }
    case 'initFailed': {
      const { phase, status, errorType, durationMs } = event;
      const record = { initializationType, phase, status, errorType };
      return [
        { type: 'platform.initRuntimeDone', level: 'WARN', record },
        { type: 'platform.initReport', level: 'WARN', record: { ...record, metrics: { durationMs } } },
      ];
    }
    case 'start':
      return [
        {
          type: 'platform.start',
          level: 'INFO',
          record: { requestId: event.requestId, version: event.version },
        },
      ];
    case 'timeout':
      return [];
    case 'report': {
      const { requestId, status, durationMs, initDurationMs } = event;
      const succeeded = status === 'success';
      const metrics = {
        durationMs: rounded(durationMs),
        billedDurationMs: billedMs(event),
        memorySizeMB: event.memoryMiB,
        maxMemoryUsedMB: usedMiB(event),
        ...(initDurationMs === undefined ? {} : { initDurationMs: rounded(initDurationMs) }),
      };
      return [
        {
          type: 'platform.runtimeDone',
          level: succeeded ? 'DEBUG' : 'WARN',
          record: { requestId, status, metrics: { durationMs: metrics.durationMs } },
        },
        {
          type: 'platform.report',
          level: succeeded ? 'INFO' : 'WARN',
          record: { requestId, metrics, status },
        },
      ];
    }
  }
}

type Report = Extract<PlatformEvent, { kind: 'report' }>;

const billedMs = ({ durationMs, initDurationMs = 0 }: Report) => Math.ceil(durationMs + initDurationMs);
const usedMiB = ({ maxMemoryKiB }: Report) => Math.ceil(maxMemoryKiB / 1024);
const rounded = (ms: number) => Number(ms.toFixed(3));
