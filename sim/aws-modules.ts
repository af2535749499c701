import { createRequire } from 'node:module';
import { AwsFault, type ClientCall, type Surroundings, sleep } from '@queue-canary/engine';
import type { Random } from '../bench/judge/random.ts';

/** The module that a function gets for the name of an SDK client, or `undefined` for any other name. */
export type AwsModules = (id: string) => Record<string, unknown> | undefined;

type Service = Parameters<ClientCall>[1];
type Principal = Parameters<ClientCall>[0];
type Constructor = new (...args: never[]) => { send(command: Command): Promise<unknown> };

interface Command {
  readonly input: Record<string, unknown>;
}

/** Clients whose name is not that of the service. */
const SERVICES: Readonly<Record<string, Service>> = { 'cloudwatch-logs': 'logs', eventbridge: 'events' };

/** How long a call takes from its caller's side, milliseconds: half of them less than the median. Few take ten times that. */
const CALL_MEDIAN_MS = 25;

/** Of the SDK, in its standard mode: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html */
const ATTEMPTS_MAX = 5;
const THROTTLED_FIRST_MS = 500;
const BACKOFF_MS_MAX = 20_000;
const THROTTLED = /Throttl|TooManyRequests|RequestLimitExceeded|Rate ?exceeded/i;

/** SDK clients that call the engine as `principal`, each call taking its time in the world's. */
export function awsModules({ clock, call }: Surroundings, principal: Principal, random: Random): AwsModules {
  const send = async (service: Service, command: Command): Promise<unknown> => {
    const operation = command.constructor.name.replace(/Command$/, '');
    for (let attempt = 1; ; attempt += 1) {
      await sleep(clock, CALL_MEDIAN_MS * Math.exp(0.8 * random.normal()));
      try {
        const output = await call(
          principal,
          service,
          operation as never,
          structuredClone(command.input) as never,
        );
        return { ...structuredClone(output as object), $metadata: {} };
      } catch (error) {
        if (!(error instanceof AwsFault)) throw error;
        if (attempt === ATTEMPTS_MAX || !THROTTLED.test(error.code)) throw sdkError(error);
        const backoffMs = Math.min(THROTTLED_FIRST_MS * 2 ** attempt, BACKOFF_MS_MAX);
        await sleep(clock, random.uniform() * backoffMs);
      }
    }
  };
  const modules = new Map<string, Record<string, unknown>>();
  return (id) => {
    const [, client] = /^@aws-sdk\/client-(.+)$/.exec(id) ?? [];
    if (client === undefined) return undefined;
    const service = SERVICES[client] ?? (client as Service);
    const known = modules.get(id) ?? withSend(sdk(id), (command) => send(service, command));
    modules.set(id, known);
    return known;
  };
}

/** The SDK as the controller's own package has it. */
const sdk = createRequire(new URL('../packages/controller/package.json', import.meta.url)) as (
  id: string,
) => Record<string, unknown>;

/** A client's module whose clients send their commands elsewhere. */
function withSend(
  module: Record<string, unknown>,
  send: (command: Command) => Promise<unknown>,
): Record<string, unknown> {
  const isClient = (value: unknown): value is Constructor =>
    typeof value === 'function' && value.name.endsWith('Client');
  return Object.fromEntries(
    Object.entries(module).map(([name, value]) => [
      name,
      isClient(value)
        ? class extends value {
            override send(command: Command): Promise<unknown> {
              return send(command);
            }
          }
        : value,
    ]),
  );
}

/** The error that the SDK throws for a fault of the service: its name is the code. */
function sdkError({ code, message, status, members }: AwsFault): Error {
  return Object.assign(new Error(message), { ...members, name: code, $metadata: { httpStatusCode: status } });
}
