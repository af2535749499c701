import { flushCompileCache } from 'node:module';
import type { FunctionIdentity, FunctionMessage, InvokeMessage } from '../protocol.ts';
import { replaceConsole } from './console-log.ts';
import { invokeHandler } from './invoke-handler.ts';
import { leadToEngine } from './lead-to-engine.ts';
import type { Handler } from './load-handler.ts';
import { describeError, loadHandler, provideAwsSdk } from './load-handler.ts';

/** Composition root of a function's process: `program.ts IDENTITY_JSON`, started by the Lambda runner. */
const identity = JSON.parse(process.argv[2] ?? '{}') as FunctionIdentity;
let requestId = '';

function send(message: FunctionMessage, then?: () => void): void {
  process.send?.(message, undefined, undefined, () => then?.());
}

function maxMemoryKiB(): number {
  return process.resourceUsage().maxRSS;
}

const asJson = process.env.AWS_LAMBDA_LOG_FORMAT === 'JSON';
replaceConsole(
  (text) => send({ type: 'log', text }),
  asJson,
  () => requestId,
  () => Date.now(),
);

function crash(error: unknown, errorType: string | undefined, status: number): void {
  const described = describeError(error);
  const message =
    errorType === undefined
      ? described
      : { ...described, errorType, errorMessage: `${described.errorType}: ${described.errorMessage}` };
  console.error(error);
  send({ type: 'error', error: message, maxMemoryKiB: maxMemoryKiB(), fatal: true }, () =>
    process.exit(status),
  );
}
process.on('uncaughtException', (error) => crash(error, undefined, 129));
process.on('unhandledRejection', (error) => crash(error, 'Runtime.UnhandledPromiseRejection', 128));

async function invoke(handler: Handler, message: InvokeMessage): Promise<void> {
  requestId = message.requestId;
  try {
    const payload = await invokeHandler(handler, message, identity, () => Date.now());
    send({ type: 'result', payload, maxMemoryKiB: maxMemoryKiB() });
  } catch (error) {
    const described = describeError(error);
    if (asJson) console.error(error);
    else console.error(`Invoke Error \t${JSON.stringify(described)}`);
    send({ type: 'error', error: described, maxMemoryKiB: maxMemoryKiB(), fatal: false });
  }
}

// Node does it when a process ends, and this one is killed.
flushCompileCache();
provideAwsSdk(import.meta.url);
leadToEngine(process.env.AWS_ENDPOINT_URL);
try {
  const handler = await loadHandler(
    process.env.LAMBDA_TASK_ROOT ?? process.cwd(),
    process.env._HANDLER ?? '',
  );
  process.on('message', (message: InvokeMessage) => void invoke(handler, message));
  send({ type: 'ready' });
} catch (error) {
  send({ type: 'error', error: describeError(error), maxMemoryKiB: maxMemoryKiB(), fatal: true }, () =>
    process.exit(1),
  );
}
