import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { parseBoundedJson } from '../../document-bounds.ts';
import type { Input } from '../../sdk/services.ts';
import type { EventBus } from './event-bus.ts';
import { compilePattern, invalid } from './request.ts';

const ENTRIES_MAX = 10;
const ENTRY_BYTES_MAX = 1024 * 1024;

/** Events that are put on the bus, and patterns that are tried. */
export function eventOperations(engine: Engine, bus: EventBus) {
  return {
    PutEvents: {
      resources: () => [`arn:aws:events:${engine.region}:${engine.accountId}:event-bus/default`],
      journaled: false,
      run: (input, { principal }) => putEvents(engine, bus, input, principal.kind === 'service'),
    },
    TestEventPattern: {
      run: (input) => {
        let event: unknown;
        try {
          event = parseBoundedJson(input.Event ?? '');
        } catch {
          throw invalid('Parameter Event is not valid.');
        }
        if (typeof event !== 'object' || event === null) throw invalid('Parameter Event is not valid.');
        return {
          Result: compilePattern(input.EventPattern ?? '')(event as Record<string, unknown>),
        };
      },
    },
  } satisfies OperationTable<'events'>;
}

/** `vended`: put by a service of AWS, whose sources begin with `aws.`. */
function putEvents(engine: Engine, bus: EventBus, input: Input<'events', 'PutEvents'>, vended: boolean) {
  const entries = input.Entries ?? [];
  if (entries.length === 0 || entries.length > ENTRIES_MAX) {
    throw invalid(`PutEvents takes 1 to ${ENTRIES_MAX} entries.`);
  }
  const results = entries.map((entry) => {
    const problem = problemOf(entry, vended);
    if (problem) return problem;
    bus.check(entry.EventBusName);
    const id = engine.ids.uuid();
    engine.journal.append('events', 'aws.event', {
      id,
      source: entry.Source,
      'detail-type': entry.DetailType,
      resources: entry.Resources ?? [],
      detail: JSON.parse(entry.Detail ?? '{}') as unknown,
      ...(entry.Time === undefined ? {} : { timeMs: entry.Time.getTime() }),
    });
    return { EventId: id };
  });
  return {
    FailedEntryCount: results.filter((result) => 'ErrorCode' in result).length,
    Entries: results,
  };
}

interface EventEntry {
  readonly Source?: string | undefined;
  readonly DetailType?: string | undefined;
  readonly Detail?: string | undefined;
}

/** Why an entry of PutEvents is refused, if it is. */
function problemOf(
  { Source, DetailType, Detail }: EventEntry,
  vended: boolean,
): { ErrorCode: string; ErrorMessage: string } | undefined {
  const missing = !Source ? 'Source' : !DetailType ? 'DetailType' : !Detail ? 'Detail' : undefined;
  if (missing) {
    return {
      ErrorCode: 'InvalidArgument',
      ErrorMessage: `Parameter ${missing} is not valid. Reason: ${missing} is a required argument.`,
    };
  }
  if (Source?.startsWith('aws.') && !vended) {
    return { ErrorCode: 'NotAuthorizedForSourceException', ErrorMessage: 'Not authorized for the source.' };
  }
  if (Buffer.byteLength(`${Source}${DetailType}${Detail}`) > ENTRY_BYTES_MAX) {
    return { ErrorCode: 'InvalidArgument', ErrorMessage: 'The entry is larger than 1 MiB.' };
  }
  try {
    const detail: unknown = parseBoundedJson(Detail ?? '');
    if (typeof detail === 'object' && detail !== null && !Array.isArray(detail)) return undefined;
  } catch {
    // Told below, like JSON that is not an object.
  }
  return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' };
}
