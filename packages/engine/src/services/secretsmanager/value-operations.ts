import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { tagMap } from '../../iam/tags.ts';
import type { Input } from '../../sdk/services.ts';
import { randomPassword } from './random-password.ts';
import {
  CURRENT,
  invalidParameter,
  invalidRequest,
  moveStage,
  type SecretStore,
  type SecretVersion,
  type StoredSecret,
  withVersion,
} from './store.ts';

const VALUE_BYTES_MAX = 65_536;

interface ValueInput {
  readonly ClientRequestToken?: string | undefined;
  readonly SecretString?: string | undefined;
  readonly SecretBinary?: Uint8Array | undefined;
}

/** Reading and writing the values of secrets, version by version. */
export function valueOperations(engine: Engine, store: SecretStore) {
  const resources = (input: { SecretId?: string | undefined }) => [store.arnFor(input.SecretId)];

  return {
    GetSecretValue: {
      resources,
      conditions: (input) => ({
        'secretsmanager:SecretId': store.arnFor(input.SecretId),
        'secretsmanager:VersionStage': input.VersionStage ?? CURRENT,
      }),
      run: (input) => {
        const secret = store.find(input.SecretId);
        const version = versionOf(secret, input.VersionId, input.VersionStage);
        return {
          ARN: secret.arn,
          Name: secret.name,
          VersionId: version.id,
          ...(version.text === undefined ? {} : { SecretString: version.text }),
          ...(version.binary === undefined ? {} : { SecretBinary: Buffer.from(version.binary, 'base64') }),
          VersionStages: [...version.stages],
          CreatedDate: new Date(version.createdAtMs),
        };
      },
    },
    PutSecretValue: {
      resources,
      run: (input) => {
        if (!hasValue(input)) throw invalidRequest('You must provide either SecretString or SecretBinary.');
        if (input.RotationToken !== undefined)
          throw invalidParameter('RotationToken: the local engine rotates no secrets.');
        const stages = input.VersionStages ?? [CURRENT];
        const { secret, version } = addVersion(engine, store, store.find(input.SecretId), input, stages);
        return { ARN: secret.arn, Name: secret.name, VersionId: version.id, VersionStages: [...stages] };
      },
    },
    CreateSecret: {
      resources: (input) => [store.arnFor(input.Name)],
      actions: (input) => [
        'secretsmanager:CreateSecret',
        ...(input.Tags?.length ? ['secretsmanager:TagResource'] : []),
      ],
      run: (input) => createSecret(engine, store, input),
    },
    UpdateSecret: {
      resources,
      run: (input) => {
        const found = store.find(input.SecretId);
        const secret = store.put({
          ...found,
          description: input.Description ?? found.description,
          kmsKeyId: input.KmsKeyId ?? found.kmsKeyId,
          changedAtMs: engine.clock.nowMs(),
        });
        const answer = { ARN: secret.arn, Name: secret.name };
        if (!hasValue(input)) return answer;
        return { ...answer, VersionId: addVersion(engine, store, secret, input, [CURRENT]).version.id };
      },
    },
    UpdateSecretVersionStage: {
      resources,
      run: (input) => {
        const secret = store.find(input.SecretId);
        const { VersionStage: stage = '', MoveToVersionId: to, RemoveFromVersionId: from } = input;
        const holder = secret.versions.find(({ stages }) => stages.includes(stage))?.id;
        for (const id of [to, from]) if (id !== undefined) versionOf(secret, id, undefined);
        if (from !== holder) {
          throw invalidParameter(
            `The parameter RemoveFromVersionId must be the version that has the staging label ${stage}: ${holder ?? 'none'}.`,
          );
        }
        store.put({ ...secret, versions: moveStage(secret.versions, stage, to) });
        return { ARN: secret.arn, Name: secret.name };
      },
    },
    ListSecretVersionIds: {
      resources,
      run: (input) => {
        const secret = store.find(input.SecretId, { marked: true });
        return {
          ARN: secret.arn,
          Name: secret.name,
          Versions: secret.versions
            .filter(({ stages }) => input.IncludeDeprecated || stages.length > 0)
            .map(({ id, stages, createdAtMs }) => ({
              VersionId: id,
              VersionStages: [...stages],
              CreatedDate: new Date(createdAtMs),
            })),
        };
      },
    },
    GetRandomPassword: { run: (input) => ({ RandomPassword: randomPassword(engine.ids, input) }) },
  } satisfies OperationTable<'secretsmanager'>;
}

function createSecret(engine: Engine, store: SecretStore, input: Input<'secretsmanager', 'CreateSecret'>) {
  const name = input.Name ?? '';
  if (!/^[\w/+=.@-]{1,512}$/.test(name)) {
    throw invalidParameter(
      'Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@',
    );
  }
  if (input.AddReplicaRegions?.length)
    throw invalidParameter('AddReplicaRegions: the local engine has one region.');
  const existing = store.named(name);
  if (existing) throw taken(existing);
  const nowMs = engine.clock.nowMs();
  const empty = store.put({
    name,
    arn: store.newArn(name),
    description: input.Description,
    kmsKeyId: input.KmsKeyId,
    tags: tagMap(input.Tags),
    versions: [],
    createdAtMs: nowMs,
    changedAtMs: nowMs,
  });
  const answer = { ARN: empty.arn, Name: name };
  if (!hasValue(input)) return answer;
  return { ...answer, VersionId: addVersion(engine, store, empty, input, [CURRENT]).version.id };
}

/** The secret with the value as its version `ClientRequestToken`; unchanged if it has that version already. */
function addVersion(
  engine: Engine,
  store: SecretStore,
  secret: StoredSecret,
  input: ValueInput,
  stages: readonly string[],
) {
  const version: SecretVersion = {
    id: input.ClientRequestToken ?? engine.ids.uuid(),
    ...givenValue(input),
    stages,
    createdAtMs: engine.clock.nowMs(),
  };
  const same = secret.versions.find(({ id }) => id === version.id);
  if (!same) return { secret: store.put(withVersion(secret, version)), version };
  if (same.text === version.text && same.binary === version.binary) return { secret, version: same };
  throw new AwsFault(
    'ResourceExistsException',
    `You can't use ClientRequestToken ${version.id} because that value is already in use for a version of secret ${secret.arn}.`,
  );
}

function hasValue(input: ValueInput): boolean {
  return input.SecretString !== undefined || input.SecretBinary !== undefined;
}

function givenValue({
  SecretString: text,
  SecretBinary,
}: ValueInput): Pick<SecretVersion, 'text' | 'binary'> {
  if (text !== undefined && SecretBinary !== undefined) {
    throw invalidParameter("You can't specify both a binary secret value and a string secret value.");
  }
  const binary = SecretBinary === undefined ? undefined : Buffer.from(SecretBinary).toString('base64');
  const bytes = SecretBinary?.byteLength ?? Buffer.byteLength(text ?? '');
  if (bytes > VALUE_BYTES_MAX) {
    throw invalidParameter(`The secret value has ${bytes} bytes; the limit is ${VALUE_BYTES_MAX}.`);
  }
  return { text, binary };
}

function versionOf(secret: StoredSecret, id: string | undefined, stage: string | undefined): SecretVersion {
  const label = stage ?? (id === undefined ? CURRENT : undefined);
  const version = secret.versions.find(
    (candidate) =>
      (id === undefined || candidate.id === id) && (label === undefined || candidate.stages.includes(label)),
  );
  if (version) return version;
  throw new AwsFault(
    'ResourceNotFoundException',
    `Secrets Manager can't find the specified secret value for ${id === undefined ? `staging label: ${label}` : `VersionId: ${id}`}`,
  );
}

function taken({ name, goneAtMs }: StoredSecret): AwsFault {
  return goneAtMs === undefined
    ? new AwsFault(
        'ResourceExistsException',
        `The operation failed because the secret ${name} already exists.`,
      )
    : invalidRequest(
        "You can't create this secret because a secret with this name is already scheduled for deletion.",
      );
}
