import { onTestFinished } from 'vitest';
import { ByteIds, type Clock, SystemClock } from '../src/index.ts';
import type { LambdaFunction } from '../src/runtime/lambda/lambda-function.ts';
import { LambdaRunner } from '../src/runtime/lambda/lambda-runner.ts';
import { Runtimes } from '../src/runtime/lambda/runtimes.ts';
import { temporaryDirectory } from '../src/runtime/test/temporary-directory.ts';

interface BenchOptions {
  readonly clock?: Clock;
  readonly maxConcurrency?: number;
  readonly maxStarts?: number;
  readonly idleMs?: number;
  /** Where Python is looked for. @default - as this process was started */
  readonly hostPath?: string;
}

/** A runner with one function, which is `index.js` where only its text is given. */
export function bench(
  code: Readonly<Record<string, string>> | string,
  options: Partial<LambdaFunction> & BenchOptions = {},
) {
  const { clock = new SystemClock(), maxConcurrency = 2, maxStarts, idleMs, hostPath, ...fn } = options;
  const runner = new LambdaRunner({
    clock,
    ids: new ByteIds(),
    runtimes: new Runtimes({
      nodePath: process.execPath,
      hostPath: hostPath ?? process.env.PATH ?? '',
      compileCache: process.env.NODE_COMPILE_CACHE!,
    }),
    maxConcurrency,
    ...(maxStarts === undefined ? {} : { maxStarts }),
    ...(idleMs === undefined ? {} : { idleMs }),
  });
  onTestFinished(() => runner.close());
  const log: string[] = [];
  const streams = new Set<string>();
  const subject: LambdaFunction = {
    functionName: 'subject',
    functionArn: 'arn:aws:lambda:eu-west-1:000000000000:function:subject',
    version: '$LATEST',
    revision: '1',
    codeDirectory: temporaryDirectory(typeof code === 'string' ? { 'index.js': code } : code),
    runtime: 'nodejs24.x',
    handler: 'index.handler',
    memoryMiB: 128,
    timeoutMs: 3_000,
    logGroupName: '/aws/lambda/subject',
    logging: { format: 'Text' },
    role: { kind: 'root', arn: 'arn:aws:iam::000000000000:root', accountId: '000000000000' },
    environment: () => ({ GIVEN: 'value' }),
    onLog: (stream, text) => {
      streams.add(stream);
      log.push(text);
    },
    ...fn,
  };
  let count = 0;
  const invoke = async (event: unknown = {}, change: Partial<LambdaFunction> = {}) => {
    const result = await runner.invoke(
      { ...subject, ...change },
      { requestId: `request-${++count}`, invokedArn: subject.functionArn, payload: JSON.stringify(event) },
    );
    if (result.kind === 'throttled') return { kind: result.kind };
    return { ...result, value: JSON.parse(result.payload) as Record<string, unknown> };
  };
  return { runner, log, streams, invoke, subject };
}
