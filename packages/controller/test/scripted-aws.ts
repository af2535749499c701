import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One call as it came over the wire. */
export interface Call {
  readonly operation: string;
  readonly input: Record<string, unknown>;
}

/** The answer to one call: a document, or an AWS error by its code. */
export type Script = (call: Call) => object | { readonly error: string; readonly message?: string };

/** awsJson names the operation in a header, the older query protocol in the form itself. */
function parseCall(target: string, body: string): Call {
  if (target !== '') {
    return { operation: target.slice(target.lastIndexOf('.') + 1), input: JSON.parse(body || '{}') };
  }
  const { Action: operation = '', Version: _, ...input } = Object.fromEntries(new URLSearchParams(body));
  return { operation, input };
}

/**
 * An AWS endpoint on a loopback port that speaks awsJson (and accepts query calls) and answers by a script, so that gateways are tested
 * with real SDK clients: their paginators, dates and error names included.
 */
export class ScriptedAws implements AsyncDisposable {
  readonly calls: Call[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(script: Script): Promise<ScriptedAws> {
    const server = createServer();
    const aws = new ScriptedAws(server);
    server.on('request', async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const call = parseCall(String(request.headers['x-amz-target'] ?? ''), Buffer.concat(chunks).toString());
      aws.calls.push(call);
      const answer = script(call);
      if (request.headers['x-amz-target'] === undefined) {
        response.writeHead(200, { 'content-type': 'text/xml' });
        response.end(`<${call.operation}Response><${call.operation}Result/></${call.operation}Response>`);
        return;
      }
      const failed = 'error' in answer;
      response.writeHead(failed ? 400 : 200, { 'content-type': 'application/x-amz-json-1.1' });
      response.end(
        JSON.stringify(
          failed ? { __type: answer.error, message: 'message' in answer ? answer.message : '' } : answer,
        ),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return aws;
  }

  /** What an SDK client needs to talk to it. */
  get connection(): {
    readonly region: string;
    readonly endpoint: string;
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  } {
    const { port } = this.#server.address() as AddressInfo;
    return {
      region: 'us-east-1',
      endpoint: `http://127.0.0.1:${port}`,
      credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
