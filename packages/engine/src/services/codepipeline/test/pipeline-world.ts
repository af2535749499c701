import { strToU8, zipSync } from 'fflate';
import { Pace } from '../../../clock/pace.ts';
import { VirtualClock } from '../../../clock/virtual-clock.ts';
import type { Call, Engine, Operation } from '../../../dispatch/service.ts';
import { AwsFault } from '../../../errors.ts';
import { Identity } from '../../../iam/identity.ts';
import type { Principal } from '../../../iam/principal.ts';
import { ByteIds } from '../../../ids.ts';
import { Journal, type JournalEntry } from '../../../journal/journal.ts';
import type { Input, OperationName, Output, ServiceName } from '../../../sdk/services.ts';
import { State } from '../../../state/state.ts';
import { createCodePipeline } from '../codepipeline.ts';

export const ACCOUNT = '000000000000';
export const COMMIT = 'c0ffee0000000000000000000000000000000000';
const PIPELINE_ROLE = `arn:aws:iam::${ACCOUNT}:role/pipeline`;

export const ROOT: Principal = { kind: 'root', arn: `arn:aws:iam::${ACCOUNT}:root`, accountId: ACCOUNT };

export type Pipeline = NonNullable<Input<'codepipeline', 'CreatePipeline'>['pipeline']>;
export type Stage = NonNullable<Pipeline['stages']>[number];
export type Action = NonNullable<Stage['actions']>[number];
type EcsService = NonNullable<Output<'ecs', 'DescribeServices'>['services']>[number];

/** The rest of AWS as far as pipelines call it. It keeps the calls in order. */
class Aws {
  readonly asked: Array<{ readonly operation: string; readonly input: Record<string, unknown> }> = [];
  readonly objects = new Map<string, Uint8Array>();
  sourceFiles: Record<string, string> = {
    'imagedefinitions.json': '[{"name":"worker","imageUri":"repo@sha256:new"}]',
  };
  service: EcsService = {
    serviceArn: 'service-arn',
    serviceName: 'canary',
    status: 'ACTIVE',
    taskDefinition: 'task-definition/canary:7',
    deployments: [{ id: 'ecs-svc/0', status: 'PRIMARY', taskDefinition: 'task-definition/canary:7' }],
  };
  /** Whether the source bucket is. */
  versioned = true;
  readonly #versions = new Map<string, Array<Record<string, unknown>>>();
  failing = new Map<string, AwsFault>();
  /** Operations that answer only once their promise resolves. */
  held = new Map<string, Promise<void>>();
  readonly #waiting: Array<{
    readonly operation: string;
    readonly count: number;
    readonly resolve: () => void;
  }> = [];

  /** Resolves once the operation was called `count` times. */
  called(operation: string, count: number): Promise<void> {
    if (this.named(operation).length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ operation, count, resolve }));
  }

  answer(operation: string, input: Record<string, unknown>): unknown {
    this.asked.push({ operation, input });
    for (const waiting of this.#waiting) {
      if (this.named(waiting.operation).length >= waiting.count) waiting.resolve();
    }
    const fault = this.failing.get(operation);
    if (fault) throw fault;
    switch (operation) {
      case 'codecommit:GetBranch':
        return { branch: { commitId: COMMIT } };
      case 'codecommit:GetCommit':
        return {
          commit: {
            message: 'a change\n',
            committer: { date: '1767225600 +0000' },
            author: { date: '1767225600 +0000' },
          },
        };
      case 's3:PutObject':
        this.objects.set(`${input.Bucket}/${input.Key}`, input.Body as Uint8Array);
        return {};
      case 's3:GetBucketVersioning':
        return this.versioned ? { Status: 'Enabled' } : {};
      case 's3:GetObject':
        return this.#object(input);
      case 'ecs:DescribeServices':
        return { services: [this.service] };
      case 'ecs:DescribeTaskDefinition':
        return {
          taskDefinition: {
            taskDefinitionArn: input.taskDefinition,
            family: 'canary',
            revision: 7,
            status: 'ACTIVE',
            cpu: '256',
            registeredAt: new Date(0),
            containerDefinitions: [
              {
                name: 'worker',
                image: 'repo@sha256:old',
                environment: [{ name: 'QC_TRACK', value: 'canary' }],
              },
              { name: 'sidecar', image: 'sidecar:1' },
            ],
          },
          tags: [{ key: 'app', value: 'x' }],
        };
      case 'ecs:RegisterTaskDefinition':
        return { taskDefinition: { taskDefinitionArn: 'task-definition/canary:8' } };
      case 'ecs:UpdateService':
        this.service = {
          ...this.service,
          taskDefinition: String(input.taskDefinition),
          deployments: [
            {
              id: 'ecs-svc/1',
              status: 'PRIMARY',
              taskDefinition: String(input.taskDefinition),
              rolloutState: 'IN_PROGRESS',
            },
          ],
        };
        return { service: this.service };
      case 'sns:Publish':
      case 'lambda:Invoke':
        return {};
      default:
        throw new Error(`unexpected ${operation}`);
    }
  }

  /** Gives an object of the source bucket its next version; its id counts from v1. */
  upload(key: string, Body: Uint8Array, Metadata?: Record<string, string>): void {
    const versions = this.#versions.get(key) ?? [];
    const VersionId = `v${versions.length + 1}`;
    this.#versions.set(key, [...versions, { Body, VersionId, ETag: `"etag-${VersionId}"`, Metadata }]);
  }

  #object({ Bucket, Key, VersionId }: Record<string, unknown>): unknown {
    const artifact = this.objects.get(`${Bucket}/${Key}`);
    if (artifact !== undefined) return { Body: artifact };
    const versions = this.#versions.get(String(Key));
    if (versions === undefined) throw new AwsFault('NoSuchKey', 'The specified key does not exist.', 404);
    const found =
      VersionId === undefined ? versions.at(-1) : versions.find((each) => each.VersionId === VersionId);
    if (found === undefined)
      throw new AwsFault('NoSuchVersion', 'The specified version does not exist.', 404);
    return found;
  }

  named(operation: string): Array<Record<string, unknown>> {
    return this.asked.filter((call) => call.operation === operation).map(({ input }) => input);
  }
}

/** A CodePipeline on a virtual clock, with AWS played by {@link Aws}. */
export class PipelineWorld {
  readonly aws = new Aws();
  readonly clock = new VirtualClock();
  readonly state = new State(':memory:');
  readonly journal = new Journal(this.state, this.clock);
  readonly #engine: Engine;
  service;

  constructor() {
    const { clock, state, journal, aws } = this;
    const ids = new ByteIds();
    const place = {
      state,
      clock,
      ids,
      endpoint: () => 'http://engine',
      accountId: ACCOUNT,
      region: 'us-east-1',
    };
    const identity = new Identity(place);
    this.#engine = {
      ...place,
      pace: new Pace(1),
      journal,
      directory: '/nonexistent',
      call: async <S extends ServiceName, O extends OperationName<S> & string>(
        _principal: Principal,
        service: S,
        operation: O,
        input: Input<S, O>,
      ) => {
        const answer = aws.answer(`${service}:${operation}`, input as Record<string, unknown>);
        await aws.held.get(`${service}:${operation}`);
        return answer as Output<S, O>;
      },
      assumeRole: (roleArn, service, _name, sourceArn) => {
        if (roleArn !== PIPELINE_ROLE || sourceArn !== `arn:aws:codepipeline:us-east-1:${ACCOUNT}:release`)
          throw new AwsFault('AccessDenied', `${roleArn} does not trust ${service}`, 403);
        return { kind: 'role', arn: `${roleArn}/session`, accountId: ACCOUNT, roleArn };
      },
      credentials: (principal) => identity.issue(principal),
    };
    this.service = this.#create();
  }

  #create() {
    const identity = new Identity(this.#engine);
    const zip = () =>
      zipSync(
        Object.fromEntries(Object.entries(this.aws.sourceFiles).map(([name, text]) => [name, strToU8(text)])),
      );
    return createCodePipeline(this.#engine, {
      identity,
      archives: { archive: async () => zip() },
    });
  }

  /** What a `kill -9` and a start leave: the same state, and nothing else. */
  async restart(): Promise<void> {
    await this.service.stop?.();
    this.service = this.#create();
    await this.service.start?.();
  }

  async ask<O extends keyof ReturnType<typeof createCodePipeline>['operations'] & string>(
    operation: O,
    input: Input<'codepipeline', O>,
    principal = ROOT,
  ): Promise<Output<'codepipeline', O>> {
    const found: unknown = this.service.operations[operation];
    const { run } = found as Operation<Input<'codepipeline', O>, Output<'codepipeline', O>>;
    const call: Call = {
      principal,
      requestId: 'r',
      service: 'codepipeline',
      operation,
      atMs: this.clock.nowMs(),
      endpoint: 'http://engine',
      signal: new AbortController().signal,
      authorize: () => {},
      permits: () => true,
      ifAbandoned: () => {},
    };
    return run(input, call);
  }

  happened(type: string, detail: Record<string, unknown> = {}, after = 0): Promise<JournalEntry> {
    return this.journal.waitFor(
      (entry) =>
        entry.type === type && Object.entries(detail).every(([key, value]) => entry.detail[key] === value),
      after,
    );
  }

  /** Lets ECS report how the service's deployment ended. */
  deployment(rolloutState: 'COMPLETED' | 'FAILED', rolloutStateReason = ''): void {
    this.aws.service = {
      ...this.aws.service,
      deployments: (this.aws.service.deployments ?? []).map((deployment) => ({
        ...deployment,
        rolloutState,
        rolloutStateReason,
      })),
    };
    this.journal.publish({
      source: 'aws.ecs',
      'detail-type': 'ECS Deployment State Change',
      resources: ['service-arn'],
      detail: {},
    });
  }

  async create(stages: Stage[], more: Partial<Pipeline> = {}): Promise<string> {
    await this.ask('CreatePipeline', { pipeline: pipeline(stages, more) });
    return (await this.happened('execution.started')).detail.executionId as string;
  }
}

export const actionType = (
  category: 'Source' | 'Deploy' | 'Approval' | 'Invoke' | 'Build',
  provider: string,
) => ({
  category,
  owner: 'AWS' as const,
  provider,
  version: '1',
});

export const SOURCE: Stage = {
  name: 'Source',
  actions: [
    {
      name: 'Commit',
      namespace: 'Source',
      actionTypeId: actionType('Source', 'CodeCommit'),
      configuration: { RepositoryName: 'worker', BranchName: 'main', PollForSourceChanges: 'false' },
      outputArtifacts: [{ name: 'Code' }],
    },
  ],
};

/** The source that takes an object of a bucket. */
export const S3_SOURCE: Stage = {
  name: 'Source',
  actions: [
    {
      name: 'Request',
      namespace: 'Source',
      actionTypeId: actionType('Source', 'S3'),
      configuration: { S3Bucket: 'sources', S3ObjectKey: 'release.zip', PollForSourceChanges: 'false' },
      outputArtifacts: [{ name: 'Code' }],
    },
  ],
};

export const deploy = (configuration: Record<string, string> = {}, more: Partial<Stage> = {}): Stage => ({
  name: 'Canary',
  actions: [
    {
      name: 'Deploy',
      actionTypeId: actionType('Deploy', 'ECS'),
      configuration: { ClusterName: 'cluster', ServiceName: 'canary', ...configuration },
      inputArtifacts: [{ name: 'Code' }],
    },
  ],
  ...more,
});

export const approval = (configuration: Record<string, string> = {}): Stage => ({
  name: 'Verdict',
  actions: [{ name: 'Approve', actionTypeId: actionType('Approval', 'Manual'), configuration }],
});

export const invoke = (more: Partial<Action> = {}): Stage => ({
  name: 'Record',
  actions: [
    {
      name: 'Record',
      actionTypeId: actionType('Invoke', 'Lambda'),
      configuration: { FunctionName: 'controller', UserParameters: '#{Source.CommitId}' },
      inputArtifacts: [{ name: 'Code' }],
      ...more,
    },
  ],
});

export function pipeline(stages: Stage[], more: Partial<Pipeline> = {}): Pipeline {
  return {
    name: 'release',
    roleArn: PIPELINE_ROLE,
    pipelineType: 'V2',
    artifactStore: { type: 'S3', location: 'artifacts' },
    stages,
    ...more,
  };
}
