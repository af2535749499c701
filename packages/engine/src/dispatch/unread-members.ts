import { AwsFault } from '../errors.ts';
import type { ServiceName } from '../sdk/services.ts';
import table from './unread-members.json' with { type: 'json' };

/** Why a member may be left unread: it cannot change the answer here; `only` for some values of it. */
type Harmless = string | { readonly only: readonly unknown[]; readonly because: string };
/** By operation, and for all operations of a service under `*`; then by member. */
type HarmlessMembers = Readonly<Record<string, Readonly<Record<string, Harmless>>>>;

const NO_CHECKSUMS = 'no checksum is kept or compared, and none is returned';
const ONE_PAGE = 'there is nothing to list, and no page after the first';

/** Members that nothing here reads and that clients may send all the same. */
export const HARMLESS: Readonly<Partial<Record<ServiceName, HarmlessMembers>>> = {
  'application-auto-scaling': {
    '*': {
      RoleARN: 'AWS uses its service-linked role for ECS as well',
      ScalableDimension: { only: ['ecs:service:DesiredCount'], because: 'it is the only one here' },
    },
  },
  cloudformation: {
    '*': { DeploymentConfig: { only: [{ Mode: 'STANDARD' }], because: 'it is the usual one' } },
    CreateChangeSet: {
      ClientToken: 'a change set is known by its name, and a second one of that name is refused',
      ImportExistingResources: 'a resource that exists fails the stack by name',
      IncludeNestedStacks: 'nested stacks are refused',
    },
    DeleteStack: { DeletionMode: { only: ['STANDARD'], because: 'it is the usual one' } },
    DescribeChangeSet: { IncludePropertyValues: 'AWS shows values of properties only where it knows them' },
    GetTemplate: { TemplateStage: 'no template is processed, so both stages are the same' },
    ListHookResults: {
      TargetType: ONE_PAGE,
      TargetId: ONE_PAGE,
      TypeArn: ONE_PAGE,
      Status: ONE_PAGE,
    },
  },
  codebuild: {
    ListProjects: { sortBy: { only: ['NAME'], because: 'they are sorted by name' } },
    StartBuild: {
      cacheOverride: 'a cache changes how long a build takes, and not its result',
      gitCloneDepthOverride: 'the history of a clone changes no file of it',
      reportBuildStatusOverride: 'AWS reports to GitHub and Bitbucket only, which are no sources here',
    },
  },
  ec2: {
    '*': {
      AllAvailabilityZones: 'there are no local zones',
      AllRegions: 'there is one region',
      IncludeManagedResources: 'no resource is managed by AWS',
    },
  },
  ecr: {
    BatchGetImage: { acceptedMediaTypes: 'an image has one manifest, which says of which type it is' },
    SetRepositoryPolicy: { force: 'no policy locks its author out: the account may always change it' },
  },
  ecs: {
    CreateService: {
      availabilityZoneRebalancing: 'tasks run on one machine, which has no zones',
      clientToken: 'a service is known by its name: the same again is no other',
    },
    ListServices: { schedulingStrategy: { only: ['REPLICA'], because: 'it is the only one here' } },
    UpdateService: {
      availabilityZoneRebalancing: 'tasks run on one machine, which has no zones',
    },
  },
  events: { '*': { Force: 'it is for rules that AWS manages, of which there are none' } },
  lambda: {
    ListEventSourceMappings: {
      EventSourceArn: ONE_PAGE,
      FunctionName: ONE_PAGE,
      Marker: ONE_PAGE,
      MaxItems: ONE_PAGE,
    },
  },
  logs: {
    '*': {
      interleaved: 'AWS ignores it as well, and always interleaves',
      unmask: 'there are no data protection policies, so nothing is masked',
    },
    DescribeSubscriptionFilters: { filterNamePrefix: ONE_PAGE, limit: ONE_PAGE },
    PutLogEvents: {
      entity: 'no operation here returns entities',
      sequenceToken: 'AWS ignores it as well',
    },
  },
  s3: {
    '*': {
      ...Object.fromEntries(
        [
          'ContentMD5',
          'ChecksumAlgorithm',
          'ChecksumMode',
          'ChecksumType',
          'ChecksumCRC32',
          'ChecksumCRC32C',
          'ChecksumCRC64NVME',
          'ChecksumMD5',
          'ChecksumSHA1',
          'ChecksumSHA256',
          'ChecksumSHA512',
          'ChecksumXXHASH128',
          'ChecksumXXHASH3',
          'ChecksumXXHASH64',
        ].map((member) => [member, NO_CHECKSUMS]),
      ),
      BucketKeyEnabled: 'it saves calls to KMS, and nothing is encrypted here',
      BypassGovernanceRetention: 'there are no object locks',
      ConfirmRemoveSelfBucketAccess: 'the account may always change the policy',
      ContentLength: 'it is the length of the body',
      EncodingType: 'the answer names no encoding, so a client takes the keys as they are',
      RequestPayer: 'nothing is paid for',
    },
    CreateBucket: {
      ACL: { only: ['private'], because: 'it is what a bucket is without one' },
      ObjectOwnership: { only: ['BucketOwnerEnforced'], because: 'it is what a bucket is without one' },
    },
    CopyObject: {
      ACL: { only: ['private', 'bucket-owner-full-control'], because: 'the account owns all objects' },
      StorageClass: { only: ['STANDARD'], because: 'it is the usual one' },
    },
    CreateMultipartUpload: {
      ACL: { only: ['private', 'bucket-owner-full-control'], because: 'the account owns all objects' },
      StorageClass: { only: ['STANDARD'], because: 'it is the usual one' },
    },
    PutObject: {
      ACL: { only: ['private', 'bucket-owner-full-control'], because: 'the account owns all objects' },
      StorageClass: { only: ['STANDARD'], because: 'it is the usual one' },
    },
  },
  ssm: {
    '*': { WithDecryption: 'values of type SecureString are not encrypted here' },
    PutParameter: { KeyId: 'values of type SecureString are not encrypted here' },
  },
  sts: { AssumeRole: { ExternalId: "the role's trust policy is asked about it" } },
};

type MembersOfOperations = ReadonlyMap<string, ReadonlyMap<string, readonly unknown[]>>;

/** By service and operation: members that its code does not read, with the values of each that may be given. */
const UNREAD: ReadonlyMap<string, MembersOfOperations> = new Map(
  Object.entries(table).map(([service, operations]): [string, MembersOfOperations] => [
    service,
    new Map(
      Object.entries(operations as Readonly<Record<string, string>>).map(([operation, members]) => [
        operation,
        new Map(
          members.split(' ').flatMap((member): Array<[string, readonly unknown[]]> => {
            const harmless = harmlessness(service as ServiceName, operation, member);
            if (typeof harmless === 'string') return [];
            return [[member, harmless?.only ?? []]];
          }),
        ),
      ]),
    ),
  ]),
);

function harmlessness(service: ServiceName, operation: string, member: string): Harmless | undefined {
  const of = HARMLESS[service];
  return of?.[operation]?.[member] ?? of?.['*']?.[member];
}

/**
 * Refuses a member that the operation's code would not read: its answer would be that to another question. What is
 * empty or `false` asks for nothing. Which members are read is known from the code; a test keeps the table.
 */
export function refuseUnread(
  service: ServiceName,
  operation: string,
  input: Readonly<Record<string, unknown>>,
): void {
  const unread = UNREAD.get(service)?.get(operation);
  if (!unread) return;
  for (const [member, allowed] of unread) {
    const value = input[member];
    if (asksForNothing(value) || allowed.some((each) => isSame(each, value))) continue;
    const other = allowed.length > 0 ? ` other than ${allowed.map(shown).join(' or ')}` : '';
    throw new AwsFault(
      'NotImplemented',
      `the local engine does not honour ${member}${other} of ${service}:${operation}: leave it out here, or make the call on AWS`,
      501,
    );
  }
}

/** Values are those that came in a document. */
const isSame = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
const shown = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

function asksForNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === '') return true;
  if (typeof value !== 'object' || value instanceof Date) return false;
  return Object.values(value).every((each) => each === undefined);
}
