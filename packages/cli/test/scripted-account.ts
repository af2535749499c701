import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An AWS error by its code. */
export interface Refusal {
  readonly error: string;
  readonly message?: string;
}

/** The input of a call. */
export type Input = Readonly<Record<string, unknown>>;

/** What an operation answers: a document, or the inside of an XML document, or an error; by its input where that matters. */
export type Answer = object | string | Refusal | ((input: Input) => object | string | Refusal);

const QUOTAS: Readonly<Record<string, number>> = {
  'L-3032A538': 6,
  'L-36FBB829': 6,
  'L-F678F1CE': 5,
  'L-0263D0A3': 5,
  'L-5ED1D25B': 1,
  'L-9D07B6EF': 1,
};

/** An account in which a first deployment goes through. */
const READY: Readonly<Record<string, Answer>> = {
  GetCallerIdentity:
    '<GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/someone</Arn><Account>123456789012</Account></GetCallerIdentityResult>',
  DescribeStacks: ({ StackName }) => ({
    error: 'ValidationError',
    message: `Stack with id ${StackName} does not exist`,
  }),
  GetParameter: { Parameter: { Value: '30' } },
  GetQueueUrl: { error: 'QueueDoesNotExist' },
  GetRepository: { error: 'RepositoryDoesNotExistException' },
  GetServiceQuota: ({ QuotaCode }) => ({ Quota: { Value: QUOTAS[String(QuotaCode)] } }),
  DescribeVpcs: '<vpcSet><item><vpcId>vpc-1</vpcId></item></vpcSet>',
  DescribeAddresses: '<addressesSet/>',
  GetAccountSettings: {
    AccountLimit: { ConcurrentExecutions: 1000, UnreservedConcurrentExecutions: 1000 },
  },
  ListRepositories: { repositories: [{ repositoryName: 'other' }] },
  GetRole: ({ RoleName }) =>
    `<GetRoleResult><Role><RoleName>${RoleName}</RoleName><Arn>arn</Arn></Role></GetRoleResult>`,
};

/**
 * An AWS account on a loopback port, for real SDK clients: awsJson, the query protocol, EC2's, and the one call of Lambda.
 * It lets a first deployment through but for what the test says.
 */
export class ScriptedAccount implements AsyncDisposable {
  readonly operations: string[] = [];
  readonly #server: Server;
  readonly #answers: Readonly<Record<string, Answer>>;

  private constructor(server: Server, answers: Readonly<Record<string, Answer>>) {
    this.#server = server;
    this.#answers = answers;
  }

  static async start(answers: Readonly<Record<string, Answer>> = {}): Promise<ScriptedAccount> {
    const server = createServer();
    const account = new ScriptedAccount(server, { ...READY, ...answers });
    server.on('request', (request, response) => void account.#reply(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return account;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #reply(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const target = request.headers['x-amz-target'];
    const form = Object.fromEntries(new URLSearchParams(body));
    const json = target !== undefined || request.method === 'GET';
    const operation =
      target !== undefined ? String(target).split('.').at(-1)! : (form.Action ?? 'GetAccountSettings');
    this.operations.push(operation);
    const scripted = this.#answers[operation] ?? { error: 'UnknownOperationException' };
    const answer =
      typeof scripted === 'function' ? scripted(target !== undefined ? JSON.parse(body) : form) : scripted;
    if (typeof answer !== 'string' && 'error' in answer) {
      const { error, message = '' } = answer as Refusal;
      response.writeHead(400, { 'content-type': json ? 'application/x-amz-json-1.1' : 'text/xml' });
      const fault = `<Error><Type>Sender</Type><Code>${error}</Code><Message>${message}</Message></Error>`;
      // EC2 wraps its errors in a list: https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-troubleshooting.html
      const inEc2 = form.Version === '2016-11-15';
      const xml = inEc2
        ? `<Response><Errors>${fault}</Errors></Response>`
        : `<ErrorResponse>${fault}</ErrorResponse>`;
      response.end(json ? JSON.stringify({ __type: error, message }) : xml);
      return;
    }
    response.writeHead(200, { 'content-type': json ? 'application/x-amz-json-1.1' : 'text/xml' });
    response.end(json ? JSON.stringify(answer) : `<${operation}Response>${answer}</${operation}Response>`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
