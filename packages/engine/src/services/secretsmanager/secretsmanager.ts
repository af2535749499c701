import type { Filter } from '@aws-sdk/client-secrets-manager';
import { page } from '../../dispatch/paging.ts';
import type { Engine, OperationTable, Service } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { tagMap } from '../../iam/tags.ts';
import { invalidParameter, SecretStore, type StoredSecret } from './store.ts';
import { valueOperations } from './value-operations.ts';

const DAY_MS = 86_400_000;
const RECOVERY_DAYS = { least: 7, most: 30 };
const PAGE_MAX = 100;

/** Secrets Manager in one region: versions and labels, without rotation, replicas and resource policies. Nothing is encrypted. */
export function createSecretsManager(engine: Engine): Service<'secretsmanager'> {
  const store = new SecretStore(engine);
  return {
    name: 'secretsmanager',
    operations: { ...valueOperations(engine, store), ...secretOperations(engine, store) },
    resourceTags: (arn) => store.lookUp(arn)?.tags,
  };
}

function secretOperations(engine: Engine, store: SecretStore) {
  const resources = (input: { SecretId?: string | undefined }) => [store.arnFor(input.SecretId)];
  return {
    DescribeSecret: { resources, run: (input) => shown(store.find(input.SecretId, { marked: true })) },
    ListSecrets: {
      run: (input) => {
        const passing = filterOf(input.Filters ?? []);
        const secrets = store
          .all()
          .filter(
            (secret) => (input.IncludePlannedDeletion || secret.goneAtMs === undefined) && passing(secret),
          );
        if (input.SortOrder !== 'asc') secrets.reverse();
        const { items, next } = page(
          secrets,
          input.NextToken,
          Math.min(input.MaxResults ?? PAGE_MAX, PAGE_MAX),
          () => new AwsFault('InvalidNextTokenException', 'Invalid next token.'),
        );
        return { SecretList: items.map(listed), NextToken: next };
      },
    },
    DeleteSecret: {
      resources,
      run: (input) => {
        const { RecoveryWindowInDays: days, ForceDeleteWithoutRecovery: forced } = input;
        if (forced && days !== undefined) {
          throw invalidParameter(
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
          );
        }
        const { least, most } = RECOVERY_DAYS;
        const windowDays = days ?? most;
        if (!(windowDays >= least && windowDays <= most)) {
          throw invalidParameter(
            `RecoveryWindowInDays value must be between ${least} and ${most} days (inclusive).`,
          );
        }
        const nowMs = engine.clock.nowMs();
        // A script may force away what is gone already.
        if (forced && !store.lookUp(input.SecretId ?? '')) {
          return { Name: input.SecretId, DeletionDate: new Date(nowMs) };
        }
        const secret = store.find(input.SecretId, { marked: forced ?? false });
        const goneAtMs = forced ? nowMs : nowMs + windowDays * DAY_MS;
        if (forced) store.remove(secret);
        else store.put({ ...secret, goneAtMs, markedAtMs: nowMs });
        return { ARN: secret.arn, Name: secret.name, DeletionDate: new Date(goneAtMs) };
      },
    },
    RestoreSecret: {
      resources,
      run: (input) => {
        const { goneAtMs: _, markedAtMs: __, ...secret } = store.find(input.SecretId, { marked: true });
        store.put(secret);
        return { ARN: secret.arn, Name: secret.name };
      },
    },
    TagResource: {
      resources,
      run: (input) => {
        const secret = store.find(input.SecretId);
        store.put({ ...secret, tags: { ...secret.tags, ...tagMap(input.Tags) } });
        return {};
      },
    },
    UntagResource: {
      resources,
      run: (input) => {
        const secret = store.find(input.SecretId);
        const kept = Object.entries(secret.tags).filter(([key]) => !input.TagKeys?.includes(key));
        store.put({ ...secret, tags: Object.fromEntries(kept) });
        return {};
      },
    },
  } satisfies OperationTable<'secretsmanager'>;
}

function facts(secret: StoredSecret) {
  return {
    ARN: secret.arn,
    Name: secret.name,
    ...(secret.description === undefined ? {} : { Description: secret.description }),
    ...(secret.kmsKeyId === undefined ? {} : { KmsKeyId: secret.kmsKeyId }),
    LastChangedDate: new Date(secret.changedAtMs),
    ...(secret.markedAtMs === undefined ? {} : { DeletedDate: new Date(secret.markedAtMs) }),
    Tags: Object.entries(secret.tags).map(([Key, Value]) => ({ Key, Value })),
    CreatedDate: new Date(secret.createdAtMs),
  };
}

const stagesOf = ({ versions }: StoredSecret) =>
  Object.fromEntries(
    versions.filter(({ stages }) => stages.length > 0).map(({ id, stages }) => [id, [...stages]]),
  );

const shown = (secret: StoredSecret) => ({ ...facts(secret), VersionIdsToStages: stagesOf(secret) });
const listed = (secret: StoredSecret) => ({ ...facts(secret), SecretVersionsToStages: stagesOf(secret) });

const FILTERED: Readonly<Record<string, (secret: StoredSecret) => readonly string[]>> = {
  name: ({ name }) => [name],
  description: ({ description }) => [description ?? ''],
  'tag-key': ({ tags }) => Object.keys(tags),
  'tag-value': ({ tags }) => Object.values(tags),
};

/** A secret passes every filter, each with one of its values; a value is a beginning, and with `!` before it none. */
function filterOf(filters: readonly Filter[]): (secret: StoredSecret) => boolean {
  const tests = filters.map(({ Key: key = '', Values: values = [] }) => {
    const textsOf = FILTERED[key];
    if (!textsOf) {
      throw invalidParameter(
        `Filters: the local engine filters by ${Object.keys(FILTERED).join(', ')}, not by ${key}.`,
      );
    }
    return (secret: StoredSecret) =>
      values.some((value) => {
        const begins = (start: string) => textsOf(secret).some((text) => text.startsWith(start));
        return value.startsWith('!') ? !begins(value.slice(1)) : begins(value);
      });
  });
  return (secret) => tests.every((passes) => passes(secret));
}
