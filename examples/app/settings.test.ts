import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { CpuArchitecture } from 'aws-cdk-lib/aws-ecs';
import { describe, expect, test } from 'vitest';
import { quickApp } from '../../packages/constructs/test/quick-app.ts';
import { readSettings, SettingsError } from './settings.ts';

const read = (context: Record<string, unknown>) => readSettings(quickApp({ context }).node);

const shipped = { shipped: { worse: 'less', tolerance: 0.25 } };
const notCounters =
  'counters must be name:less:part or name:more:part, with commas between them (shipped:less:0.25,retries:more:0.5), or JSON, not';
const notDryRun =
  'dryRun must be true, false or one or more of failures,broken,latency,crashes,throughput,counters, not';

describe('readSettings', () => {
  test('leaves to the constructs what nobody set, and keeps what holds data when the stacks go', () => {
    expect(read({})).toEqual({
      app: 'QueueCanary',
      architecture: CpuArchitecture.ARM64,
      removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
      pipeline: {},
    });
  });

  test('reads numbers, times and choices as the command line gives them', () => {
    const settings = read({
      app: 'Shop',
      architecture: 'x86_64',
      removal: 'destroy',
      protectTasks: 'stable',
      judgeConfiguration: 'true',
      user: '1000:1000',
      readonlyRootFilesystem: 'false',
      egressPorts: '443, 5432',
      restrictDefaultSecurityGroup: 'true',
      reservedConcurrentExecutions: '5',
      keyArn: 'arn:aws:kms:eu-central-1:123456789012:key/1234abcd',
      logRetentionDays: '731',
      imageCountMax: '200',
      natGateways: '0',
      availabilityZones: 'us-west-1a, us-west-1c',
      canaryTasks: '2',
      stableTasks: '0',
      stableTasksMax: '4',
      backlogPerTask: '50',
      cpu: '512',
      memoryMiB: '1024',
      spot: 'true',
      containerInsights: 'true',
      maxReceiveCount: '1',
      visibilityTimeoutSeconds: '10',
      stopTimeoutSeconds: '20',
      alarmThreshold: '3',
      bakeMinutes: '0.5',
      watchMinutes: '0',
      approval: 'automatic',
      decideWithinMinutes: '2.5',
      margin: '0.02',
      latencyMargin: '0.1',
      falseRollbackRate: '0.005',
      falsePromotionRate: '0.1',
      slower: '0.25',
      messagesMin: '50',
      warmUpSeconds: '5',
      taskSpread: '0.4',
      counters: 'items shipped:less:0.25',
      dryRun: 'true',
      onNewerCommit: 'wait',
      releaseWindows: 'Mon-Fri 09:00-16:00 UTC, Sat 10:00-12:00 UTC',
      retryDelaySeconds: '0',
    });
    expect(settings.architecture).toBe(CpuArchitecture.X86_64);
    expect(settings).toMatchObject({
      app: 'Shop',
      removalPolicy: RemovalPolicy.DESTROY,
      keyArn: 'arn:aws:kms:eu-central-1:123456789012:key/1234abcd',
      logRetention: 731,
      imageCountMax: 200,
      pipeline: {
        protectTasks: 'stable',
        judgeConfiguration: true,
        user: '1000:1000',
        readonlyRootFilesystem: false,
        egressPorts: [443, 5432],
        restrictDefaultSecurityGroup: true,
        reservedConcurrentExecutions: 5,
        natGateways: 0,
        availabilityZones: ['us-west-1a', 'us-west-1c'],
        canaryTasks: 2,
        stableTasksMin: 0,
        stableTasksMax: 4,
        backlogPerTask: 50,
        cpu: 512,
        memoryLimitMiB: 1024,
        spot: true,
        containerInsights: true,
        maxReceiveCount: 1,
        alarmThreshold: 3,
        approval: 'automatic',
        margin: 0.02,
        latencyMargin: 0.1,
        falseRollbackRate: 0.005,
        falsePromotionRate: 0.1,
        slower: 0.25,
        messagesMin: 50,
        taskSpread: 0.4,
        counters: { 'items shipped': { worse: 'less', tolerance: 0.25 } },
        dryRun: true,
        onNewerCommit: 'wait',
        releaseWindows: ['Mon-Fri 09:00-16:00 UTC', 'Sat 10:00-12:00 UTC'],
        environment: { RETRY_DELAY_SECONDS: '0' },
      },
    });
    const { visibilityTimeout, stopTimeout, bakeTime, watchTime, decideWithin, warmUpTime } =
      settings.pipeline;
    const times = [visibilityTimeout, stopTimeout, bakeTime, watchTime, decideWithin, warmUpTime];
    expect(times.map((time) => time?.toSeconds())).toEqual([10, 20, 30, 0, 150, 5]);
    expect(bakeTime).toBeInstanceOf(Duration);
  });

  test('reads the same values as JSON, as a cdk.json gives them', () => {
    expect(read({ stableTasks: 2, spot: false }).pipeline).toEqual({ stableTasksMin: 2, spot: false });
    expect(read({ dryRun: ['latency', 'crashes'], counters: shipped }).pipeline).toEqual({
      dryRun: ['latency', 'crashes'],
      counters: shipped,
    });
    expect(read({ dryRun: true }).pipeline).toEqual({ dryRun: true });
  });

  test.each([
    ['shipped:less:0.25', shipped],
    [' shipped:less:0.25 , retries:more:1', { ...shipped, retries: { worse: 'more', tolerance: 1 } }],
    // Names may have colons.
    ['db:retries:more:0.5', { 'db:retries': { worse: 'more', tolerance: 0.5 } }],
    ['{"shipped":{"worse":"less","tolerance":0.25}}', shipped],
  ])('reads the counters %s', (text, counters) => {
    expect(read({ counters: text }).pipeline).toEqual({ counters });
  });

  test.each([
    ['true', true],
    ['false', false],
    ['latency', ['latency']],
    ['latency, throughput', ['latency', 'throughput']],
    [
      'failures,broken,latency,crashes,throughput,counters',
      ['failures', 'broken', 'latency', 'crashes', 'throughput', 'counters'],
    ],
  ])('reads the dry run %s', (text, dryRun) => {
    expect(read({ dryRun: text }).pipeline).toEqual({ dryRun });
  });

  test.each([
    ['app', '1st', 'app must be a letter, then up to 39 letters, digits or -, not "1st"'],
    ['app', '', 'app must be a letter, then up to 39 letters, digits or -, not ""'],
    ['architecture', 'mips', 'architecture must be arm64 or x86_64, not "mips"'],
    ['removal', 'maybe', 'removal must be destroy or retain, not "maybe"'],
    ['natGateways', '3', 'natGateways must be a whole number from 0 to 2, not "3"'],
    ['stableTasks', '-1', 'stableTasks must be a whole number from 0 to 1000, not "-1"'],
    ['stableTasks', 'many', 'stableTasks must be a whole number from 0 to 1000, not "many"'],
    ['stableTasks', { min: 1 }, 'stableTasks must be a whole number from 0 to 1000, not {"min":1}'],
    ['maxReceiveCount', '0', 'maxReceiveCount must be a whole number from 1 to 1000, not "0"'],
    ['maxReceiveCount', '1e3', 'maxReceiveCount must be a whole number from 1 to 1000, not "1e3"'],
    [
      'visibilityTimeoutSeconds',
      '1',
      'visibilityTimeoutSeconds must be a whole number from 2 to 43200, not "1"',
    ],
    ['stopTimeoutSeconds', '300', 'stopTimeoutSeconds must be a whole number from 2 to 120, not "300"'],
    ['bakeMinutes', 'soon', 'bakeMinutes must be a number from 0 to 720, not "soon"'],
    ['watchMinutes', '1440', 'watchMinutes must be a number from 0 to 720, not "1440"'],
    ['approval', 'never', 'approval must be manual or automatic or automatic-then-manual, not "never"'],
    ['decideWithinMinutes', '721', 'decideWithinMinutes must be a number from 0 to 720, not "721"'],
    ['slower', 'half', 'slower must be a number from 0 to 10, not "half"'],
    ['messagesMin', '0', 'messagesMin must be a whole number from 1 to 1000000, not "0"'],
    ['taskSpread', '-1', 'taskSpread must be a number from 0 to 3, not "-1"'],
    ['dryRun', 'yes', `${notDryRun} "yes"`],
    ['dryRun', 'latency,speed', `${notDryRun} "latency,speed"`],
    ['dryRun', '', `${notDryRun} ""`],
    ['dryRun', '["speed"]', `${notDryRun} "[\\"speed\\"]"`],
    ['counters', 'shipped:less:1,,', `${notCounters} ""\n  - ${notCounters} ""`],
    ['counters', 'shipped:less:1,shipped:more:1', 'counters has "shipped" twice'],
    ['margin', '2%', 'margin must be a number from 0 to 0.5, not "2%"'],
    ['falseRollbackRate', '1', 'falseRollbackRate must be a number from 0 to 0.2, not "1"'],
    ['warmUpSeconds', '-5', 'warmUpSeconds must be a whole number from 0 to 3600, not "-5"'],
    ['spot', 'yes', 'spot must be true or false, not "yes"'],
    ['protectTasks', 'canary', 'protectTasks must be off or stable or all, not "canary"'],
    [
      'egressPorts',
      '443,https',
      'egressPorts must be ports from 1 to 65535 with commas between them, not "443,https"',
    ],
    [
      'keyArn',
      'alias/mine',
      'keyArn must be the ARN of a KMS key (arn:aws:kms:REGION:ACCOUNT:key/ID; not of an alias), not "alias/mine"',
    ],
    ['onNewerCommit', 'panic', 'onNewerCommit must be supersede or wait, not "panic"'],
  ])('refuses -c %s=%s', (name, value, message) => {
    expect(() => read({ [name]: value })).toThrow(
      new SettingsError(`The app cannot be synthesized:\n  - ${message}`),
    );
  });

  test.each([
    'shipped',
    'shipped:fewer:1',
    'shipped:less',
    'shipped:less:',
    'shipped:less:-1',
    ':less:1',
    '',
  ])('refuses "%s" as a counter', (counter) => {
    expect(() => read({ counters: `retries:more:1,${counter}` })).toThrow(
      new SettingsError(`The app cannot be synthesized:\n  - ${notCounters} ${JSON.stringify(counter)}`),
    );
  });

  test('refuses counters whose JSON is none', () => {
    expect(() => read({ counters: '{"shipped":' })).toThrow(/- counters is not valid JSON: /);
  });

  test.each(['unitsMin', 'delta'])('refuses %s, which there was', (name) => {
    expect(() => read({ [name]: '50' })).toThrow(`unknown setting ${name}; the settings are app, `);
  });

  test('refuses a name that is no setting, and leaves alone what is for CDK', () => {
    expect(() => read({ stableTask: '5' })).toThrow(
      /unknown setting stableTask; the settings are app, .*stableTasks,/,
    );
    expect(read({ '@aws-cdk/core:newStyleStackSynthesis': true, 'aws:cdk:bundling-stacks': [] }).app).toBe(
      'QueueCanary',
    );
  });

  test('takes the name of a repository, which has no images of the app to keep few of', () => {
    expect(read({ imageRepository: 'team/worker' }).imageRepository).toBe('team/worker');
    expect(() => read({ imageRepository: 'registry.example:5000/worker' })).toThrow(
      'imageRepository must be the name of an ECR repository, without the registry (team/worker), not',
    );
    expect(() => read({ imageRepository: 'team/worker', imageCountMax: '50' })).toThrow(
      'imageCountMax is of the repository that the app makes, and imageRepository names one of yours',
    );
  });

  test('refuses a maximum below the minimum', () => {
    expect(() => read({ stableTasks: '5', stableTasksMax: '4' })).toThrow(
      'stableTasksMax (4) must not be below stableTasks (5)',
    );
  });

  test('lists everything that is wrong at once', () => {
    expect(() => read({ cpu: 'big', spot: 'yes' })).toThrow(/- cpu must be .*\n {2}- spot must be /s);
  });
});
