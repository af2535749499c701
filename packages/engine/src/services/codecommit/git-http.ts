import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AwsFault } from '../../errors.ts';
import { type Authorizer, LOOPBACK } from '../../iam/authorizer.ts';
import type { Identity } from '../../iam/identity.ts';
import type { Principal } from '../../iam/principal.ts';
import type { State } from '../../state/state.ts';
import { percentDecoded, splitTarget } from '../../wire/request-target.ts';
import type { Repositories, Repository } from './repositories.ts';

export const GIT_PATH = '/git/v1/repos/';

const HEADER_BYTES_MAX = 64 * 1024;

interface GitHttpParts {
  readonly repositories: Repositories;
  readonly identity: Identity;
  readonly authorizer: Authorizer;
  readonly state: State;
}

/**
 * Serves clone, fetch and push over HTTP through `git http-backend`, streaming both ways.
 *
 * The user name is an access key id and the password its secret key, which stands for CodeCommit's generated git
 * credentials, or the password of CodeCommit's credential helper. The key's owner needs `codecommit:GitPull` or `codecommit:GitPush`. A push is
 * answered only after its changes are announced and on disk, and pushes to one repository go one at a time.
 */
export function gitHttpHandler(parts: GitHttpParts) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<boolean> => {
    const { path, query } = splitTarget(request.url);
    if (!path.startsWith(GIT_PATH)) return false;
    const match = /^([^/]+)\/(info\/refs|git-upload-pack|git-receive-pack)$/.exec(
      path.slice(GIT_PATH.length),
    );
    if (!match) {
      refuse(request, response, 404, 'not a git smart-HTTP address');
      return true;
    }
    const encodedName = match[1]!;
    const action = match[2]!;
    const push =
      action === 'git-receive-pack' || new URLSearchParams(query).get('service') === 'git-receive-pack';
    const principal = authenticate(parts.identity, request, `${GIT_PATH}${encodedName}`);
    if (!principal) {
      response.setHeader('www-authenticate', 'Basic realm="CodeCommit", charset="UTF-8"');
      refuse(
        request,
        response,
        401,
        "sign in with an access key id as the user name and its secret access key as the password, or with the password of CodeCommit's credential helper, signed for this address and region and not older or newer than 15 minutes",
      );
      return true;
    }
    const repositoryName = percentDecoded(encodedName.replace(/\.git$/, ''));
    if (repositoryName === undefined) {
      refuse(request, response, 400, 'the address is not valid percent-encoding');
      return true;
    }
    try {
      parts.authorizer.authorize({
        principal,
        actions: [push ? 'codecommit:GitPush' : 'codecommit:GitPull'],
        resources: [parts.repositories.arn(repositoryName)],
        origin: { sourceIp: LOOPBACK, userAgent: request.headers['user-agent'] },
        resourceTags: () => parts.repositories.find(repositoryName)?.tags,
        accessDeniedCode: 'AccessDeniedException',
      });
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      refuse(request, response, 403, error.message);
      return true;
    }
    const repository = parts.repositories.find(repositoryName);
    if (!repository) {
      refuse(request, response, 404, `repository ${repositoryName} does not exist`);
      return true;
    }
    const serve = () =>
      serveGit(parts.repositories, repository, { request, response, principal, action, query });
    if (action !== 'git-receive-pack') {
      await serve();
      response.end();
      return true;
    }
    await parts.repositories.exclusively(repository, async () => {
      await serve();
      await parts.repositories.announce(repository.repositoryName, principal.arn);
      await parts.state.committed();
    });
    response.end();
    return true;
  };
}

function authenticate(identity: Identity, request: IncomingMessage, path: string): Principal | undefined {
  const [scheme, encoded] = (request.headers.authorization ?? '').split(' ');
  if (scheme?.toLowerCase() !== 'basic' || encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  const host = (request.headers.host ?? '').replace(/:\d+$/, '');
  return identity.checkGitCredentials(text.slice(0, colon), text.slice(colon + 1), { host, path });
}

function refuse(request: IncomingMessage, response: ServerResponse, status: number, message: string): void {
  request.resume();
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${message}\n`);
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly principal: Principal;
  readonly action: string;
  readonly query: string;
}

/** Runs `git http-backend` for one request; the response is written but left open. */
async function serveGit(
  repositories: Repositories,
  repository: Repository,
  exchange: Exchange,
): Promise<void> {
  const { request, response, principal, action, query } = exchange;
  const header = (name: string) => {
    const value = request.headers[name];
    return typeof value === 'string' ? value : undefined;
  };
  const contentEncoding = header('content-encoding');
  const gitProtocol = header('git-protocol');
  // Without CONTENT_LENGTH git reads until its input ends. With it, http-backend waits for the rest for ever, and with
  // a whole core, when its input ends early because the engine was killed.
  const child = repositories.git.spawn(['http-backend'], {
    cwd: repositories.root,
    env: {
      GIT_PROJECT_ROOT: repositories.root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: `/${repository.repositoryId}.git/${action}`,
      QUERY_STRING: query,
      REQUEST_METHOD: request.method ?? 'GET',
      CONTENT_TYPE: header('content-type') ?? '',
      REMOTE_USER: principal.arn,
      REMOTE_ADDR: '127.0.0.1',
      ...(contentEncoding === undefined ? {} : { HTTP_CONTENT_ENCODING: contentEncoding }),
      ...(gitProtocol === undefined ? {} : { GIT_PROTOCOL: gitProtocol }),
    },
  });
  const { stdin, stdout, stderr } = child;
  if (!stdin || !stdout || !stderr) return;
  const closed = once(child, 'close');
  closed.catch(() => {});
  const complaints: Buffer[] = [];
  stderr.on('data', (chunk: Buffer) => complaints.push(chunk));
  // Either side may go away first: git that has answered, or a client that gave up.
  stdin.on('error', () => {});
  request.on('error', () => {});
  const leave = () => {
    if (!response.writableFinished) child.kill();
  };
  // Its client may have gone while it waited for its turn.
  if (response.destroyed) leave();
  else response.once('close', leave);
  request.pipe(stdin);
  try {
    await relay(stdout, response);
    await closed;
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    complaints.push(Buffer.from(missing ? 'git is not installed' : (error as Error).message));
  }
  if (!response.headersSent) {
    response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' });
    response.write(`git failed: ${Buffer.concat(complaints).toString('utf8').trim()}\n`);
  }
}

/** Turns CGI output (header lines, an empty line, the body) into the response, honouring its back-pressure. */
async function relay(output: AsyncIterable<Buffer>, response: ServerResponse): Promise<void> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of output) {
    let body = chunk;
    if (head !== undefined) {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) {
        if (head.length > HEADER_BYTES_MAX) throw new Error('git http-backend sent no headers');
        continue;
      }
      writeHead(response, head.toString('latin1', 0, end));
      body = head.subarray(end + 4);
      head = undefined;
    }
    if (body.length > 0 && !response.write(body) && !response.destroyed) {
      await writable(response);
    }
  }
}

/** Resolves when the client has read on, or has gone. */
async function writable(response: ServerResponse): Promise<void> {
  const settled = new AbortController();
  const { signal } = settled;
  await Promise.race([once(response, 'drain', { signal }), once(response, 'close', { signal })]);
  settled.abort();
}

function writeHead(response: ServerResponse, head: string): void {
  let status = 200;
  const headers: Record<string, string> = {};
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === 'status') status = Number.parseInt(value, 10);
    else headers[name] = value;
  }
  response.writeHead(status, headers);
}
