import { execFile } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { createServer } from '../node-http.ts';

/** Clients of AWS that a machine may have: its `aws`, and the boto3 of its `python3`. */
export type AwsClient = 'aws' | 'boto3';

type Environment = Readonly<Record<string, string | undefined>>;

/** One call for services that each client is known to treat alike, and one for SQS, which it may not. */
const CALLS = [
  { service: 'sts', command: 'get-caller-identity', method: 'get_caller_identity' },
  { service: 'sqs', command: 'list-queues', method: 'list_queues' },
] as const;

/** Exit status of a shim whose program is not installed, as of a shell that finds none. */
const NOT_FOUND = 127;

/** Exit status of the Python program where there is no boto3. */
const NO_BOTO3 = 86;
const PYTHON = `import sys
try:
    import boto3
except ImportError:
    sys.exit(${NO_BOTO3})
getattr(boto3.client(sys.argv[1]), sys.argv[2])()`;

/**
 * Which services a client calls somewhere else than at AWS_ENDPOINT_URL; undefined where there is no such client.
 * An AWS CLI before 1.29 or 2.13 and a boto3 before 1.28 do not know the variable, and version 1 of the CLI ignores
 * it for SQS (https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html): their calls go to AWS.
 *
 * It is found out by watching where calls arrive. None leaves the machine: the only way out is a proxy that is not there.
 *
 * @param env - what the client will have, PATH and HOME among it
 * @param withinMs - how long the client has for a call, milliseconds
 * @returns `slow` where it took longer, so that nothing is known
 */
export async function servicesMissed(
  client: AwsClient,
  env: Environment,
  withinMs: number = PROBE_MS,
): Promise<string[] | 'slow' | undefined> {
  const watched = await Promise.all(
    CALLS.map(({ service, command, method }) =>
      watchFor(
        (url) => ({
          program: client === 'aws' ? 'aws' : 'python3',
          args: client === 'aws' ? [service, command, '--output', 'json'] : ['-c', PYTHON, service, method],
          env: {
            ...env,
            AWS_ENDPOINT_URL: url,
            AWS_REGION: 'us-east-1',
            AWS_DEFAULT_REGION: 'us-east-1',
            AWS_ACCESS_KEY_ID: 'probe',
            AWS_SECRET_ACCESS_KEY: 'probe',
            AWS_MAX_ATTEMPTS: '1',
            AWS_EC2_METADATA_DISABLED: 'true',
            HTTP_PROXY: NO_WAY_OUT,
            HTTPS_PROXY: NO_WAY_OUT,
            http_proxy: NO_WAY_OUT,
            https_proxy: NO_WAY_OUT,
            NO_PROXY: '127.0.0.1',
            no_proxy: '127.0.0.1',
          },
        }),
        withinMs,
      ),
    ),
  );
  const absent = ['ENOENT', NOT_FOUND, ...(client === 'boto3' ? [NO_BOTO3] : [])];
  if (watched.some(({ ended }) => ended !== undefined && absent.includes(ended))) return undefined;
  if (watched.some(({ arrived, ended }) => !arrived && ended === SLOW)) return 'slow';
  return CALLS.map(({ service }) => service).filter((_service, index) => !watched[index]!.arrived);
}

/** The port of the discard service, where nothing listens. */
const NO_WAY_OUT = 'http://127.0.0.1:9';
const PROBE_MS = 15_000;
const SLOW = 'ETIMEDOUT';

interface Probe {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Environment;
}

/**
 * Runs a program against a server of this machine that refuses everything. Says whether anything arrived, and the
 * program's exit status, or the error for which it did not run, or `ETIMEDOUT` when it was ended after `withinMs`.
 */
export async function watchFor(
  probe: (url: string) => Probe,
  withinMs: number = PROBE_MS,
): Promise<{ readonly arrived: boolean; readonly ended: string | number | undefined }> {
  let arrived = false;
  const server = createServer((request, response) => {
    arrived = true;
    request.resume();
    response.writeHead(403).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const { program, args, env } = probe(`http://127.0.0.1:${port}`);
  const ended = await new Promise<string | number | undefined>((resolve) => {
    const child = execFile(program, [...args], { env, timeout: withinMs }, (error) =>
      resolve(error?.killed ? SLOW : (error?.code ?? undefined)),
    );
    child.stdin?.end();
  });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  return { arrived, ended };
}
