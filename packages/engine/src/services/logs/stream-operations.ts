import { page } from '../../dispatch/paging.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { invalid } from './faults.ts';
import { limitOf } from './group-operations.ts';
import { checkedArn, groupArn, groupNameOf } from './log-arn.ts';
import type { LogGroup, LogStore, LogStream } from './log-store.ts';

const STREAMS_PAGE = 50;

/** Operations on log streams. */
export function streamOperations(engine: Engine, store: LogStore) {
  const streamArn = (input: { logGroupName?: string | undefined; logStreamName?: string | undefined }) => [
    checkedArn(engine, input.logGroupName, input.logStreamName),
  ];
  const shown = (group: LogGroup, stream: LogStream) => ({
    logStreamName: stream.name,
    creationTime: stream.createdAtMs,
    ...(stream.ingestedAtMs === undefined
      ? {}
      : {
          firstEventTimestamp: stream.firstEventAtMs,
          lastEventTimestamp: stream.lastEventAtMs,
          lastIngestionTime: stream.ingestedAtMs,
        }),
    uploadSequenceToken: String(stream.id),
    arn: `${groupArn(engine, group.name)}:log-stream:${stream.name}`,
    storedBytes: 0,
  });

  return {
    CreateLogStream: {
      resources: streamArn,
      // One for every task, build and function instance: those report themselves.
      journaled: false,
      run: (input, { atMs }) => {
        const group = store.findGroup(input.logGroupName);
        const name = input.logStreamName ?? '';
        if (!/^[^:*]{1,512}$/s.test(name)) {
          throw invalid(
            `1 validation error detected: Value '${name}' at 'logStreamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [^:*]* and have 1 to 512 characters`,
          );
        }
        if (store.stream(group, name)) {
          throw new AwsFault('ResourceAlreadyExistsException', 'The specified log stream already exists');
        }
        store.addStream(group, name, atMs);
        return {};
      },
    },
    DeleteLogStream: {
      resources: streamArn,
      run: (input) => {
        const stream = store.findStream(store.findGroup(input.logGroupName), input.logStreamName);
        store.dropStream(stream);
        return {};
      },
    },
    DescribeLogStreams: {
      resources: (input) => [checkedArn(engine, groupNameOf(input))],
      run: (input) => {
        const group = store.findGroup(groupNameOf(input));
        const byTime = input.orderBy === 'LastEventTime';
        const prefix = input.logStreamNamePrefix;
        if (byTime && prefix !== undefined) {
          throw invalid('Cannot order by LastEventTime with a logStreamNamePrefix.');
        }
        const streams = store
          .streams(group)
          .filter(({ name }) => prefix === undefined || name.startsWith(prefix));
        if (byTime) streams.sort((a, b) => (a.lastEventAtMs ?? 0) - (b.lastEventAtMs ?? 0));
        if (input.descending) streams.reverse();
        const { items, next } = page(streams, input.nextToken, limitOf(input.limit, STREAMS_PAGE), () =>
          invalid('The specified nextToken is invalid.'),
        );
        return {
          logStreams: items.map((stream) => shown(group, stream)),
          ...(next === undefined ? {} : { nextToken: next }),
        };
      },
    },
  } satisfies OperationTable<'logs'>;
}
