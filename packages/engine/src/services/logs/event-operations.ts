import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Input } from '../../sdk/services.ts';
import { invalid, streamNotFound } from './faults.ts';
import { parseFilterPattern } from './filter-pattern.ts';
import { limitOf } from './group-operations.ts';
import { checkedArn, groupNameOf } from './log-arn.ts';
import { acceptBatch } from './log-batch.ts';
import {
  eventBytes,
  type LogEvent,
  type LogGroup,
  type LogStore,
  type LogStream,
  oldestKeptMs,
  type Position,
  type Range,
} from './log-store.ts';
import type { MetricExtraction } from './metric-extraction.ts';

const EVENTS_PAGE = 10_000;
const BYTES_PAGE = 1_048_576;
/** Events that one call looks at before it hands out a token, so that no search holds the engine up. */
const EVENTS_SCANNED = 25_000;
const SCAN_STEP = 1000;
const STREAM_NAMES_MAX = 100;
const START: Position = { atMs: 0, id: 0 };
const END: Position = { atMs: Number.MAX_SAFE_INTEGER, id: Number.MAX_SAFE_INTEGER };

/** Operations that write, read and search log events. */
export function eventOperations(engine: Engine, store: LogStore, extraction: MetricExtraction) {
  return {
    PutLogEvents: {
      resources: (input) => [checkedArn(engine, input.logGroupName, input.logStreamName)],
      journaled: false,
      run: (input, { atMs }) => {
        const group = store.findGroup(input.logGroupName);
        const stream = store.findStream(group, input.logStreamName);
        const { events, rejected } = acceptBatch(input.logEvents ?? [], atMs, oldestKeptMs(group, atMs));
        // Batches draw alone, so that those of different streams, and even of one, become readable in another order.
        const readableAtMs = Math.ceil(atMs + engine.pace.drawMs('logs-readable', engine.ids));
        store.append(stream, events, { ingestedAtMs: atMs, readableAtMs });
        extraction.extract(group, stream, events);
        return {
          nextSequenceToken: String(stream.id),
          ...(rejected === undefined ? {} : { rejectedLogEventsInfo: rejected }),
        };
      },
    },
    GetLogEvents: {
      resources: (input) => [checkedArn(engine, groupNameOf(input), input.logStreamName)],
      run: (input, { atMs }) => getLogEvents(store, input, atMs),
    },
    FilterLogEvents: {
      resources: (input) => [checkedArn(engine, groupNameOf(input))],
      run: (input, { atMs }) => filterLogEvents(store, input, atMs),
    },
  } satisfies OperationTable<'logs'>;
}

function getLogEvents(store: LogStore, input: Input<'logs', 'GetLogEvents'>, atMs: number) {
  const group = store.findGroup(groupNameOf(input));
  const stream = store.findStream(group, input.logStreamName);
  const limit = limitOf(input.limit, EVENTS_PAGE);
  const end = input.endTime === undefined ? undefined : input.endTime - 1;
  const range = rangeOf(group, atMs, input.startTime, end);
  const token = input.nextToken === undefined ? undefined : readToken(input.nextToken);
  const forward = token ? token.direction === 'f' : (input.startFromHead ?? false);
  const found = forward
    ? store.streamAfter(stream, range, token?.position ?? START, limit)
    : store.streamBefore(stream, range, token?.position ?? END, limit);
  const events = forward ? firstOf(found) : firstOf(found.reverse()).reverse();
  // With nothing found both tokens stay where they are: one before and one after the same place.
  const at = token?.position ?? START;
  const first = events[0] ?? (forward ? { ...at, id: at.id + 1 } : at);
  const last = events.at(-1) ?? (forward || at === START ? at : { ...at, id: at.id - 1 });
  return {
    events: events.map((event) => ({
      timestamp: event.atMs,
      message: event.message,
      ingestionTime: event.ingestedAtMs,
    })),
    nextForwardToken: writeToken('f', last),
    nextBackwardToken: writeToken('b', first),
  };
}

function filterLogEvents(store: LogStore, input: Input<'logs', 'FilterLogEvents'>, atMs: number) {
  const group = store.findGroup(groupNameOf(input));
  const matches = parseFilterPattern(input.filterPattern ?? '');
  const limit = limitOf(input.limit, EVENTS_PAGE);
  const range = rangeOf(group, atMs, input.startTime, input.endTime);
  const streams = wantedStreams(store.streams(group), input);
  const events: LogEvent[] = [];
  let bytes = 0;
  let scanned = 0;
  let position = input.nextToken === undefined ? START : readToken(input.nextToken).position;
  const [only] = streams.size === 1 ? streams.keys() : [];
  const readOn = () =>
    only === undefined
      ? store.groupAfter(group, range, position, SCAN_STEP)
      : store.streamAfter({ id: only }, range, position, SCAN_STEP);
  let more = streams.size > 0;
  const full = () => events.length >= limit || bytes >= BYTES_PAGE || scanned >= EVENTS_SCANNED;
  while (more && !full()) {
    const step = readOn();
    more = step.length === SCAN_STEP;
    for (const event of step) {
      if (full()) {
        more = true;
        break;
      }
      scanned++;
      position = event;
      if (!streams.has(event.streamId) || !matches(event.message)) continue;
      events.push(event);
      bytes += eventBytes(event.message);
    }
  }
  return {
    events: events.map((event) => ({
      logStreamName: streams.get(event.streamId) ?? '',
      timestamp: event.atMs,
      message: event.message,
      ingestionTime: event.ingestedAtMs,
      eventId: eventIdOf(event),
    })),
    searchedLogStreams: [],
    ...(more ? { nextToken: writeToken('f', position) } : {}),
  };
}

function rangeOf(group: LogGroup, atMs: number, fromMs: number | undefined, toMs: number | undefined): Range {
  return {
    fromMs: Math.max(fromMs ?? 0, oldestKeptMs(group, atMs)),
    toMs: toMs ?? Number.MAX_SAFE_INTEGER,
    nowMs: atMs,
  };
}

/** Names of the streams to search, by their ids. */
function wantedStreams(
  streams: readonly LogStream[],
  {
    logStreamNames,
    logStreamNamePrefix,
  }: { logStreamNames?: string[] | undefined; logStreamNamePrefix?: string | undefined },
): Map<number, string> {
  if (logStreamNames !== undefined && logStreamNamePrefix !== undefined) {
    throw invalid('Only one of logStreamNames and logStreamNamePrefix can be given.');
  }
  if (
    logStreamNames !== undefined &&
    (logStreamNames.length < 1 || logStreamNames.length > STREAM_NAMES_MAX)
  ) {
    throw invalid(`logStreamNames must have 1 to ${STREAM_NAMES_MAX} names.`);
  }
  const wanted = streams.filter(
    ({ name }) =>
      (logStreamNames === undefined || logStreamNames.includes(name)) &&
      (logStreamNamePrefix === undefined || name.startsWith(logStreamNamePrefix)),
  );
  const missing = logStreamNames?.find((name) => !wanted.some((stream) => stream.name === name));
  if (missing !== undefined) throw streamNotFound();
  return new Map(wanted.map(({ id, name }) => [id, name]));
}

/** As many of the first events as a reply may hold. */
function firstOf(events: readonly LogEvent[]): LogEvent[] {
  let bytes = 0;
  const cut = events.findIndex(({ message }, index) => {
    bytes += eventBytes(message);
    return index > 0 && bytes > BYTES_PAGE;
  });
  return cut < 0 ? [...events] : events.slice(0, cut);
}

/** Fifty-six digits, as AWS's; the same event always has the same. */
function eventIdOf({ atMs, id }: LogEvent): string {
  return String(atMs).padStart(20, '0') + String(id).padStart(36, '0');
}

type Direction = 'f' | 'b';

function writeToken(direction: Direction, { atMs, id }: Position): string {
  return `${direction}/${String(atMs).padStart(20, '0')}${String(id).padStart(36, '0')}`;
}

function readToken(token: string): { direction: Direction; position: Position } {
  const match = /^([fb])\/(\d{20})(\d{36})$/.exec(token);
  if (!match) throw new AwsFault('InvalidParameterException', 'The specified nextToken is invalid.');
  return {
    direction: match[1] as Direction,
    position: { atMs: Number(match[2]), id: Number(match[3]) },
  };
}
