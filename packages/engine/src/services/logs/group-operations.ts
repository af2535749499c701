import { page } from '../../dispatch/paging.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Input } from '../../sdk/services.ts';
import { invalid, unsupported } from './faults.ts';
import { checkedArn, groupArn, nameInArn } from './log-arn.ts';
import { type LogGroup, type LogStore, TAGS_MAX } from './log-store.ts';
import type { MetricFilters } from './metric-filters.ts';

const RETENTIONS = new Set([
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
]);
const GROUPS_PAGE = 50;

/** Operations on log groups. */
export function groupOperations(engine: Engine, store: LogStore, filters: MetricFilters) {
  const byName = (input: { logGroupName?: string | undefined }) => [checkedArn(engine, input.logGroupName)];
  const shown = (group: LogGroup) => ({
    logGroupName: group.name,
    creationTime: group.createdAtMs,
    ...(group.retentionDays === undefined ? {} : { retentionInDays: group.retentionDays }),
    metricFilterCount: filters.of(group.name).length,
    arn: `${groupArn(engine, group.name)}:*`,
    logGroupArn: groupArn(engine, group.name),
    storedBytes: store.storedBytes(group),
    ...(group.kmsKeyId === undefined ? {} : { kmsKeyId: group.kmsKeyId }),
    logGroupClass: group.logGroupClass,
    deletionProtectionEnabled: group.deletionProtected,
  });

  return {
    CreateLogGroup: {
      resources: byName,
      run: (input, { atMs }) => createGroup(store, input, atMs),
    },
    DeleteLogGroup: {
      resources: byName,
      run: (input) => {
        const group = store.findGroup(input.logGroupName);
        if (group.deletionProtected) {
          throw new AwsFault(
            'ValidationException',
            `The log group ${group.name} is protected from deletion: turn its deletion protection off first.`,
          );
        }
        store.dropGroup(group);
        filters.dropAll(group.name);
        return {};
      },
    },
    PutLogGroupDeletionProtection: {
      resources: (input) => [
        checkedArn(engine, nameInArn(input.logGroupIdentifier ?? '') ?? input.logGroupIdentifier),
      ],
      run: (input) => {
        const group = store.findGroup(nameInArn(input.logGroupIdentifier ?? '') ?? input.logGroupIdentifier);
        store.changeGroup({ ...group, deletionProtected: input.deletionProtectionEnabled ?? false });
        return {};
      },
    },
    PutRetentionPolicy: {
      resources: byName,
      run: (input) => {
        const group = store.findGroup(input.logGroupName);
        const days = input.retentionInDays ?? 0;
        if (!RETENTIONS.has(days)) {
          throw invalid(
            `1 validation error detected: Value '${days}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [${[...RETENTIONS].join(', ')}]`,
          );
        }
        store.changeGroup({ ...group, retentionDays: days });
        return {};
      },
    },
    DeleteRetentionPolicy: {
      resources: byName,
      run: (input) => {
        const { retentionDays: _, ...group } = store.findGroup(input.logGroupName);
        store.changeGroup(group);
        return {};
      },
    },
    DescribeLogGroups: {
      resources: () => [checkedArn(engine, undefined)],
      run: (input) => {
        const { items, next } = page(
          matchingGroups(store, input),
          input.nextToken,
          limitOf(input.limit, GROUPS_PAGE),
          () => invalid('The specified nextToken is invalid.'),
        );
        return { logGroups: items.map(shown), ...(next === undefined ? {} : { nextToken: next }) };
      },
    },
  } satisfies OperationTable<'logs'>;
}

function createGroup(store: LogStore, input: Input<'logs', 'CreateLogGroup'>, createdAtMs: number) {
  const name = input.logGroupName ?? '';
  if (!/^[.\-_/#A-Za-z0-9]{1,512}$/.test(name)) {
    throw invalid(
      `1 validation error detected: Value '${name}' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+ and have 1 to 512 characters`,
    );
  }
  if (Object.keys(input.tags ?? {}).length > TAGS_MAX) {
    throw invalid(
      `1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to ${TAGS_MAX}`,
    );
  }
  if (store.group(name)) {
    throw new AwsFault('ResourceAlreadyExistsException', 'The specified log group already exists');
  }
  store.addGroup({
    name,
    createdAtMs,
    logGroupClass: input.logGroupClass ?? 'STANDARD',
    deletionProtected: input.deletionProtectionEnabled ?? false,
    ...(input.kmsKeyId === undefined ? {} : { kmsKeyId: input.kmsKeyId }),
    tags: input.tags ?? {},
  });
  return {};
}

function matchingGroups(store: LogStore, input: Input<'logs', 'DescribeLogGroups'>): LogGroup[] {
  const { logGroupNamePrefix: prefix, logGroupNamePattern: pattern } = input;
  if (prefix !== undefined && pattern !== undefined) {
    throw invalid('LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.');
  }
  if (input.includeLinkedAccounts) throw unsupported('includeLinkedAccounts');
  const named = input.logGroupIdentifiers?.map((given) => nameInArn(given) ?? given);
  return store
    .groups()
    .filter(
      ({ name, logGroupClass }) =>
        (prefix === undefined || name.startsWith(prefix)) &&
        (pattern === undefined || name.toLowerCase().includes(pattern.toLowerCase())) &&
        (named === undefined || named.includes(name)) &&
        (input.logGroupClass === undefined || logGroupClass === input.logGroupClass),
    );
}

/** A page size, which must be between 1 and what a page holds at most. */
export function limitOf(limit: number | undefined, most: number): number {
  if (limit === undefined) return most;
  if (!Number.isInteger(limit) || limit < 1 || limit > most) {
    throw invalid(
      `1 validation error detected: Value '${limit}' at 'limit' failed to satisfy constraint: Member must have value between 1 and ${most}`,
    );
  }
  return limit;
}
