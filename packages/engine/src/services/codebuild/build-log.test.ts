import { expect, test } from 'vitest';
import { VirtualClock } from '../../clock/virtual-clock.ts';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import type { Input, OperationName, Output, ServiceName } from '../../sdk/services.ts';
import { BuildLog } from './build-log.ts';

const BUILDER: Principal = { kind: 'role', arn: 'builder', accountId: '0' };

/** CloudWatch Logs that keeps calls, and answers each PutLogEvents only when told. */
class Logs {
  readonly calls: string[] = [];
  readonly lines: string[][] = [];
  groups = new Set<string>();
  gate = Promise.withResolvers<void>();
  refuse: AwsFault | undefined;

  get engine(): Pick<Engine, 'call' | 'clock'> {
    return {
      clock: new VirtualClock(),
      call: async <S extends ServiceName, O extends OperationName<S> & string>(
        _principal: Principal,
        _service: S,
        operation: O,
        input: Input<S, O>,
      ) => (await this.#answer(operation, input as Record<string, unknown>)) as Output<S, O>,
    };
  }

  async #answer(operation: string, input: Record<string, unknown>): Promise<unknown> {
    this.calls.push(operation);
    const group = String(input.logGroupName);
    if (operation === 'CreateLogGroup') this.groups.add(group);
    if (operation === 'CreateLogStream' && !this.groups.has(group)) {
      throw new AwsFault('ResourceNotFoundException', 'The specified log group does not exist.');
    }
    if (operation === 'PutLogEvents') {
      if (this.refuse) throw this.refuse;
      this.lines.push((input.logEvents as Array<{ message: string }>).map(({ message }) => message));
      await this.gate.promise;
    }
    return {};
  }
}

test('creates group and stream when there are none', async () => {
  const logs = new Logs();
  await BuildLog.open(logs.engine, BUILDER, '/aws/codebuild/worker', 'stream');
  expect(logs.calls).toEqual(['CreateLogStream', 'CreateLogGroup', 'CreateLogStream']);
});

test('sends lines in order; those that come while a call is under way go together in the next', async () => {
  const logs = new Logs();
  logs.groups.add('group');
  const log = await BuildLog.open(logs.engine, BUILDER, 'group', 'stream');
  log.line('one');
  log.line('two');
  await Promise.resolve();
  await Promise.resolve();
  log.line('three');
  log.line('');
  logs.gate.resolve();
  await log.flush();
  expect(logs.lines).toEqual([
    ['one', 'two'],
    ['three', ' '],
  ]);
});

test('says at the end when the service refused lines', async () => {
  const logs = new Logs();
  logs.groups.add('group');
  const log = await BuildLog.open(logs.engine, BUILDER, 'group', 'stream');
  logs.refuse = new AwsFault('AccessDeniedException', 'not allowed');
  log.line('lost');
  await expect(log.flush()).rejects.toThrow('not allowed');
});
