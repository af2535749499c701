import http, { type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import https from 'node:https';
import { syncBuiltinESMExports } from 'node:module';
import { urlToHttpOptions } from 'node:url';

type Callback = (response: IncomingMessage) => void;
type Arguments = [string | URL | RequestOptions, (RequestOptions | Callback)?, Callback?];

/**
 * Leads `https.request` to the engine when it is for the engine's host. Custom resources answer at an address that on AWS
 * is always https on the usual port, so their handlers take host and path from it, and nothing else:
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-lambda-function-code-cfnresponsemodule.html
 */
export function leadToEngine(endpoint: string | undefined): void {
  if (endpoint === undefined) return;
  const engine = new URL(endpoint);
  const original = https.request as (...args: Arguments) => ClientRequest;
  const request = (...args: Arguments): ClientRequest => {
    const [target, second, third] = args;
    const given = typeof second === 'object' ? second : {};
    const options: RequestOptions =
      typeof target === 'string' || target instanceof URL
        ? { ...urlToHttpOptions(new URL(target)), ...given }
        : target;
    const port = String(options.port ?? options.defaultPort ?? '');
    const isEngine =
      (options.hostname ?? options.host) === engine.hostname && ['', '443', engine.port].includes(port);
    if (!isEngine) return original(...args);
    const callback = typeof second === 'function' ? second : third;
    const { agent: _agent, ...rest } = options;
    return http.request({ ...rest, protocol: engine.protocol, port: engine.port }, callback);
  };
  Object.assign(https, { request });
  syncBuiltinESMExports();
}
