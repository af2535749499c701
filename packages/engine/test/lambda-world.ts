import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import {
  CreateFunctionCommand,
  type CreateFunctionCommandInput,
  InvokeCommand,
  type InvokeCommandInput,
  LambdaClient,
} from '@aws-sdk/client-lambda';
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { strToU8, zipSync } from 'fflate';
import type { EngineOptions } from '../src/index.ts';
import { type ClientConfig, type TestEngine, testEngine } from './harness.ts';

/** A zip file with one program, `index.js`. */
export function bundle(source: string): Uint8Array {
  return zipSync({ 'index.js': strToU8(source) });
}

export const ECHO = 'exports.handler = async (event) => event;';

/** An engine with what tests of functions need: roles, functions, queues, and callers with a role. */
export class LambdaWorld<E extends Pick<TestEngine, 'accountId' | 'client'> = TestEngine> {
  readonly engine: E;
  readonly lambda: LambdaClient;

  constructor(engine: E) {
    this.engine = engine;
    this.lambda = new LambdaClient(engine.client);
  }

  static async start(options: Partial<EngineOptions> = {}): Promise<LambdaWorld<TestEngine>> {
    return new LambdaWorld(await testEngine({ pace: 600, ...options }));
  }

  /** A role that `service` or the account may assume, with these permissions on everything. */
  async role(name: string, actions: readonly string[], service = 'lambda.amazonaws.com'): Promise<string> {
    const iam = new IAMClient(this.engine.client);
    const principal = service === 'account' ? { AWS: this.engine.accountId } : { Service: service };
    const { Role } = await iam.send(
      new CreateRoleCommand({
        RoleName: name,
        AssumeRolePolicyDocument: JSON.stringify({
          Version: '2012-10-17',
          Statement: [{ Effect: 'Allow', Principal: principal, Action: 'sts:AssumeRole' }],
        }),
      }),
    );
    if (actions.length > 0) {
      await iam.send(
        new PutRolePolicyCommand({
          RoleName: name,
          PolicyName: 'allow',
          PolicyDocument: JSON.stringify({
            Version: '2012-10-17',
            Statement: [{ Effect: 'Allow', Action: actions, Resource: '*' }],
          }),
        }),
      );
    }
    return Role!.Arn!;
  }

  /** A client configuration that acts with a role which the account may assume. */
  async as(roleArn: string): Promise<ClientConfig> {
    const { Credentials } = await new STSClient(this.engine.client).send(
      new AssumeRoleCommand({ RoleArn: roleArn, RoleSessionName: 'caller' }),
    );
    const credentials = {
      accessKeyId: Credentials!.AccessKeyId!,
      secretAccessKey: Credentials!.SecretAccessKey!,
      sessionToken: Credentials!.SessionToken!,
    };
    return { ...this.engine.client, credentials };
  }

  create(FunctionName: string, source: string, Role: string, rest: Partial<CreateFunctionCommandInput> = {}) {
    return this.lambda.send(
      new CreateFunctionCommand({
        FunctionName,
        Role,
        Runtime: 'nodejs24.x',
        Handler: 'index.handler',
        Code: { ZipFile: bundle(source) },
        ...rest,
      }),
    );
  }

  /** Invokes a function and reads its answer. */
  async invoke(FunctionName: string, event: unknown = {}, rest: Partial<InvokeCommandInput> = {}) {
    const { Payload, ...reply } = await this.lambda.send(
      new InvokeCommand({ FunctionName, Payload: Buffer.from(JSON.stringify(event)), ...rest }),
    );
    const text = Buffer.from(Payload ?? []).toString();
    return { ...reply, answer: text === '' ? undefined : (JSON.parse(text) as unknown) };
  }

  async queue(QueueName: string): Promise<{ url: string; arn: string }> {
    const sqs = new SQSClient(this.engine.client);
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName }));
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
    );
    return { url: QueueUrl!, arn: Attributes!.QueueArn! };
  }

  /** The next message of a queue, as soon as there is one. */
  async receive(QueueUrl: string) {
    const { Messages } = await new SQSClient(this.engine.client).send(
      new ReceiveMessageCommand({
        QueueUrl,
        WaitTimeSeconds: 20,
        MessageAttributeNames: ['All'],
        VisibilityTimeout: 3600,
      }),
    );
    const [message] = Messages ?? [];
    if (!message) throw new Error(`no message came to ${QueueUrl}`);
    return message;
  }
}
