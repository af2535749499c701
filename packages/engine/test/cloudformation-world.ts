import {
  CloudFormationClient,
  CreateChangeSetCommand,
  CreateStackCommand,
  DeleteStackCommand,
  DescribeChangeSetCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  ListStackResourcesCommand,
  type Stack,
  type StackResourceSummary,
  UpdateStackCommand,
} from '@aws-sdk/client-cloudformation';
import { SQSClient } from '@aws-sdk/client-sqs';
import { SSMClient } from '@aws-sdk/client-ssm';
import { promptIds, type TestEngine, testEngine } from './harness.ts';

export interface StackTemplate {
  readonly [section: string]: unknown;
}

/** Stacks of one engine, driven by the real SDK client. */
export class CloudFormationWorld {
  readonly engine: TestEngine;
  readonly cloudformation: CloudFormationClient;
  readonly sqs: SQSClient;
  readonly ssm: SSMClient;

  private constructor(engine: TestEngine) {
    this.engine = engine;
    this.cloudformation = new CloudFormationClient(engine.client);
    this.sqs = new SQSClient(engine.client);
    this.ssm = new SSMClient(engine.client);
  }

  static async start(options: Parameters<typeof testEngine>[0] = {}): Promise<CloudFormationWorld> {
    return new CloudFormationWorld(await testEngine({ ids: promptIds(), ...options }));
  }

  async create(StackName: string, template: StackTemplate, options: object = {}): Promise<Stack> {
    await this.cloudformation.send(
      new CreateStackCommand({ StackName, TemplateBody: JSON.stringify(template), ...options }),
    );
    return this.settled(StackName);
  }

  async update(StackName: string, template: StackTemplate, options: object = {}): Promise<Stack> {
    await this.cloudformation.send(
      new UpdateStackCommand({ StackName, TemplateBody: JSON.stringify(template), ...options }),
    );
    return this.settled(StackName);
  }

  /** Deletes a stack and gives what it became. */
  async delete(StackName: string, options: object = {}): Promise<Stack> {
    const { StackId } = await this.describe(StackName);
    await this.cloudformation.send(new DeleteStackCommand({ StackName, ...options }));
    return this.settled(StackId!);
  }

  async describe(StackName: string): Promise<Stack> {
    const { Stacks } = await this.cloudformation.send(new DescribeStacksCommand({ StackName }));
    return Stacks![0]!;
  }

  /** The stack once no operation is under way. */
  async settled(nameOrId: string): Promise<Stack> {
    for (;;) {
      const after = this.engine.journal.seq;
      const stack = await this.describe(nameOrId);
      if (!stack.StackStatus!.endsWith('_IN_PROGRESS')) return stack;
      await this.engine.journal.waitFor((entry) => entry.type === 'stack.changed', after);
    }
  }

  async resources(StackName: string): Promise<Map<string, StackResourceSummary>> {
    const { StackResourceSummaries } = await this.cloudformation.send(
      new ListStackResourcesCommand({ StackName }),
    );
    return new Map(StackResourceSummaries!.map((resource) => [resource.LogicalResourceId!, resource]));
  }

  /** `logicalId status` of every event, oldest first. */
  async events(StackName: string): Promise<string[]> {
    const { StackEvents } = await this.cloudformation.send(new DescribeStackEventsCommand({ StackName }));
    return StackEvents!.map((event) => `${event.LogicalResourceId} ${event.ResourceStatus}`).reverse();
  }

  /** Reason of the newest event of a resource with this status. */
  async reason(StackName: string, logicalId: string, status: string): Promise<string | undefined> {
    const { StackEvents } = await this.cloudformation.send(new DescribeStackEventsCommand({ StackName }));
    return StackEvents!.find(
      (event) => event.LogicalResourceId === logicalId && event.ResourceStatus === status,
    )?.ResourceStatusReason;
  }

  /** Makes a change set and describes it. */
  async changeSet(StackName: string, template: StackTemplate, options: object = {}) {
    const { Id } = await this.cloudformation.send(
      new CreateChangeSetCommand({
        StackName,
        ChangeSetName: 'changes',
        TemplateBody: JSON.stringify(template),
        ...options,
      }),
    );
    return this.cloudformation.send(new DescribeChangeSetCommand({ ChangeSetName: Id }));
  }
}
