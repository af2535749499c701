import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SystemClock } from '../src/clock/clock.ts';
import { SERVICES } from '../src/sdk/services.ts';
import { enumerationsOf, inputOf, Vocabulary } from './fuzz-inputs.ts';
import { FuzzWorld } from './fuzz-world.ts';

const CALLS = 40_000;
const GROWTH_BYTES_MAX = 300 * 1024 * 1024;
const ANSWER_MS_MAX = 20_000;
/** Codes of calls that were refused for their form alone, before anything was looked up. */
const FORM = /Validation|Serialization|Invalid|Malformed|Missing|Required|NotImplemented|UnknownOperation/;

/** One call in eight has a value of another kind somewhere. */
const slips = fc.oneof(
  { weight: 7, arbitrary: fc.constant(undefined) },
  {
    weight: 1,
    arbitrary: fc.record({
      at: fc.integer({ min: 0, max: 12 }),
      to: fc.constantFrom(null, [null], [], {}, { a: null }, '', 'a', 0, -1, true),
    }),
  },
);

test('no input that the schemas allow, or nearly, is more than the engine can bear', async () => {
  const world = await FuzzWorld.start();
  const vocabulary = new Vocabulary();
  const enumerationsOfService = new Map<string, ReadonlyMap<string, readonly string[]>>();
  for (const { name } of world.targets.values()) {
    if (!enumerationsOfService.has(name))
      enumerationsOfService.set(name, enumerationsOf(await SERVICES[name].load()));
  }
  const enumerations = (target: string) => enumerationsOfService.get(world.targets.get(target)!.name)!;
  await furnish(world, vocabulary);
  const counts = { all: 0, beyondForm: 0, done: 0 };
  const crashes = new Map<string, string>();
  const before = process.memoryUsage().rss;
  const names = [...world.targets.keys()];
  const call = fc
    .constantFrom(...names)
    .chain((name) =>
      fc.tuple(
        fc.constant(name),
        inputOf(world.targets.get(name)!.model.input, vocabulary, enumerations(name)),
        slips,
      ),
    );
  await fc.assert(
    fc.asyncProperty(call, async ([name, input, slip]) => {
      counts.all++;
      try {
        const outcome = await answered(world.call(name, input, slip));
        if ('output' in outcome) {
          counts.done++;
          vocabulary.learn(input);
          vocabulary.learn(outcome.output);
        }
        if ('output' in outcome || !FORM.test(outcome.code)) counts.beyondForm++;
      } catch (error) {
        // All of them, not the first: calls build on each other, so one cannot be shrunk by itself.
        crashes.set(
          `${name}: ${String(error).slice(0, 200)}`,
          JSON.stringify({ input, slip }).slice(0, 2_000),
        );
      }
    }),
    { numRuns: CALLS },
  );
  expect(Object.fromEntries(crashes)).toEqual({});
  // Some two thirds, and every fifth call succeeds.
  expect(counts.beyondForm / counts.all).toBeGreaterThan(0.5);
  expect(counts.done / counts.all).toBeGreaterThan(0.1);
  expect(process.memoryUsage().rss - before).toBeLessThan(GROWTH_BYTES_MAX);
});

/** Fails when an answer does not come. */
function answered<T>(call: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = new SystemClock().setTimer(ANSWER_MS_MAX, () => reject(new Error('no answer')));
    call.then(resolve, reject).finally(() => timer.cancel());
  });
}

/** Makes one of most things, so that calls find something. */
async function furnish(world: FuzzWorld, vocabulary: Vocabulary): Promise<void> {
  const trust = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Principal: { Service: 'ecs-tasks.amazonaws.com' }, Action: 'sts:AssumeRole' },
    ],
  });
  const made: Array<[string, Record<string, unknown>]> = [
    ['sqs:CreateQueue', { QueueName: 'orders' }],
    ['sqs:SendMessage', { QueueUrl: 'http://127.0.0.1:1/000000000000/orders', MessageBody: 'a' }],
    ['ssm:PutParameter', { Name: '/app/a', Value: '1', Type: 'String' }],
    ['s3:CreateBucket', { Bucket: 'files' }],
    ['s3:PutObject', { Bucket: 'files', Key: 'a', Body: Buffer.from('a') }],
    ['logs:CreateLogGroup', { logGroupName: 'app' }],
    ['logs:CreateLogStream', { logGroupName: 'app', logStreamName: 'one' }],
    ['sns:CreateTopic', { Name: 'news' }],
    ['events:PutRule', { Name: 'changes', EventPattern: '{"source":["aws.ecs"]}' }],
    ['iam:CreateRole', { RoleName: 'worker', AssumeRolePolicyDocument: trust }],
    ['ecr:CreateRepository', { repositoryName: 'app' }],
    ['ecs:CreateCluster', { clusterName: 'main' }],
    ['codecommit:CreateRepository', { repositoryName: 'app' }],
    [
      'cloudwatch:PutMetricData',
      {
        Namespace: 'App',
        MetricData: [{ MetricName: 'Failed', Value: 1, Dimensions: [{ Name: 'Track', Value: 'a' }] }],
      },
    ],
  ];
  for (const [name, input] of made) {
    const outcome = await world.call(name, input);
    expect(outcome, name).toHaveProperty('output');
    vocabulary.learn(input);
    if ('output' in outcome) vocabulary.learn(outcome.output);
  }
}
