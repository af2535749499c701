import { describe, expect, test } from 'vitest';
import { parseEvent } from './event.ts';

const envelope = { version: '0', id: 'i', account: '123456789012', region: 'us-east-1', resources: [] };

describe('parseEvent', () => {
  test.each([
    [
      'CloudWatch Alarm State Change',
      'aws.cloudwatch',
      { alarmName: 'a', state: { value: 'ALARM' }, previousState: { value: 'OK' } },
    ],
    [
      'CodePipeline Pipeline Execution State Change',
      'aws.codepipeline',
      { pipeline: 'p', 'execution-id': 'e', state: 'FAILED', version: 3 },
    ],
    [
      'CodePipeline Stage Execution State Change',
      'aws.codepipeline',
      { pipeline: 'p', 'execution-id': 'e', stage: 'Canary', state: 'STARTED', version: '3.0' },
    ],
    ['ECS Deployment State Change', 'aws.ecs', { eventName: 'SERVICE_DEPLOYMENT_FAILED', deploymentId: 'd' }],
    ['ECS Task State Change', 'aws.ecs', { lastStatus: 'STOPPED', version: 5 }],
    ['Scheduled Event', 'aws.events', {}],
    ['Something New', 'aws.codepipeline', {}],
  ])('takes %s as a wake and nothing else', (detailType, source, detail) => {
    expect(parseEvent({ ...envelope, 'detail-type': detailType, source, detail })).toEqual({
      kind: 'wake',
      source: `${source}: ${detailType}`,
    });
  });

  test.each([{}, null, undefined, 'text', [], { queueCanary: undefined }])('takes %j as a wake', (event) => {
    expect(parseEvent(event)).toEqual({ kind: 'wake', source: 'unknown' });
  });

  test('reads the job and the execution that its user parameters name', () => {
    const job = (configuration: object) => ({
      'CodePipeline.job': { id: 'j', data: { actionConfiguration: { configuration } } },
    });
    expect(parseEvent(job({ FunctionName: 'f' }))).toEqual({ kind: 'job', job: { id: 'j' } });
    expect(parseEvent(job({ UserParameters: '{"executionId":"e"}' }))).toEqual({
      kind: 'job',
      job: { id: 'j', executionId: 'e' },
    });
    for (const UserParameters of ['nonsense', '7', 'null']) {
      expect(parseEvent(job({ UserParameters }))).toEqual({
        kind: 'unreadableJob',
        jobId: 'j',
        reason: expect.stringContaining('user parameters'),
      });
    }
  });

  test('refuses a job without an id', () => {
    expect(() => parseEvent({ 'CodePipeline.job': { data: {} } })).toThrow('without an id');
  });

  test('reads what a person asks for', () => {
    expect(parseEvent({ queueCanary: 'wake' })).toEqual({ kind: 'wake', source: 'person' });
    expect(parseEvent({ queueCanary: 'rollback', executionId: 'e', reason: 'r' })).toEqual({
      kind: 'rollback',
      executionId: 'e',
      reason: 'r',
    });
    expect(parseEvent({ queueCanary: 'rollback' })).toEqual({
      kind: 'rollback',
      reason: 'a person asked for a rollback',
    });
  });

  test('refuses a request that it does not know instead of taking it for a wake', () => {
    expect(() => parseEvent({ queueCanary: 'rolback' })).toThrow('use "wake" or "rollback"');
    expect(() => parseEvent({ queueCanary: 'rollback', executionId: 7 })).toThrow('executionId must be');
  });
});
