import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import { ensureControllerBundle, resources, synthesize } from '../../packages/constructs/test/synthesize.ts';
import { failureLinePattern, outcomeLinePattern } from '../../packages/core/src/measurement/line.ts';
import { readEmbeddedMetrics } from '../../packages/engine/src/services/logs/embedded-metrics.ts';
import { parseJsonPattern } from '../../packages/engine/src/services/logs/json-pattern.ts';
import { Metrics } from '../../packages/worker/src/reporting/metrics.ts';

// The worker may import nothing of the other packages, so names that they share are written twice.
// `tools/outcome-line.test.ts` compares the fields of a line with the judge's reader.

const NOW = Date.UTC(2026, 0, 1);
const root = join(import.meta.dirname, '..', '..');

/** A line with a value in every field, and as many values as a line can have. */
function fullLine(count: (metrics: Metrics) => void = () => undefined): string {
  const lines: string[] = [];
  const metrics = new Metrics({
    identity: { app: 'shop', track: 'canary', revision: 'abc', version: '7', taskId: 'a9960714' },
    random: () => 0.5,
    residentBytes: () => 96 * 2 ** 20,
    pollingMs: () => 310,
    emit: (line) => lines.push(line),
  });
  metrics.start(NOW);
  for (let index = 0; index < 1_000; index++) {
    metrics.value('ProcessingTimeMs', index);
    metrics.value('QueueAgeMs', index);
    metrics.duration(index);
  }
  metrics.error('RangeError');
  metrics.type('order', true);
  metrics.countOwn('shipped');
  count(metrics);
  metrics.flush(NOW + 1_000, 1);
  return lines[0]!;
}

let pipeline: Template;
beforeAll(async () => {
  await ensureControllerBundle();
  pipeline = synthesize({ protectTasks: 'all' }).pipeline;
});

describe('the metrics of a worker', () => {
  const { metrics, rejections } = readEmbeddedMetrics(fullLine(), NOW + 1_000);

  test('are within the limits of the embedded metric format', () => {
    expect(rejections).toEqual([]);
    expect(metrics.length).toBeGreaterThan(0);
  });

  test('are those that alarms and the dashboard show: each that is read is written, and each that is paid for is read', () => {
    const written = metrics.map(({ namespace, name, dimensions }) =>
      [namespace, name, ...dimensions.map(({ Name }) => Name)].join(' '),
    );
    const template = JSON.stringify(pipeline.toJSON()).replaceAll('\\', '');
    const read = [...template.matchAll(/"QueueCanary","(\w+)","(\w+)","[^"]*","(\w+)"/g)].map(
      ([, name, ...dimensions]) => ['QueueCanary', name, ...dimensions].join(' '),
    );
    expect([...new Set(read)].sort()).toEqual([...new Set(written)].sort());
  });
});

describe('the outcome lines of a worker', () => {
  test('have the fields that the dashboard queries', () => {
    const fields = Object.keys(JSON.parse(fullLine()) as object);
    const template = JSON.stringify(pipeline.toJSON());
    const queries = [...template.matchAll(/stats ([^|]*?) by bin/g)].map(([, text = '']) => text);
    const queried = queries.flatMap((text) => [...text.matchAll(/\((\w+)/g)].map(([, field]) => field));
    expect(queried.length).toBeGreaterThan(0);
    expect(queried.filter((field) => !fields.includes(field!))).toEqual([]);
  });

  test('are found by the pattern with which the judge reads them', () => {
    expect(parseJsonPattern(outcomeLinePattern)(fullLine())).toBe(true);
  });

  test.each(['FirstFailed', 'RetriedFailed', 'DeadLettered'] as const)(
    'that count %s are found as failures',
    (name) => {
      const isFailure = parseJsonPattern(failureLinePattern);
      expect(isFailure(fullLine())).toBe(false);
      expect(isFailure(fullLine((metrics) => metrics.count(name)))).toBe(true);
    },
  );
});

describe('the environment of a worker', () => {
  /** The names and values that the construct gives the container of a track. */
  function environmentOf(track: string): Record<string, string> {
    const containers = resources(pipeline, 'AWS::ECS::TaskDefinition').flatMap(
      ({ properties }) =>
        properties.ContainerDefinitions as { Environment: { Name: string; Value: unknown }[] }[],
    );
    const environments = containers.map(({ Environment }) =>
      Object.fromEntries(
        Environment.map(({ Name, Value }) => [Name, typeof Value === 'string' ? Value : '']),
      ),
    );
    const found = environments.find(({ QC_TRACK }) => QC_TRACK === track);
    return { ...found, QUEUE_URL: 'http://127.0.0.1:9/123456789012/work', AWS_REGION: 'eu-west-1' };
  }

  /** What a worker program says when it cannot start. */
  async function complaint(env: Record<string, string>): Promise<string> {
    const program = join(root, 'packages', 'worker', 'test', 'support', 'worker-program.ts');
    const args = ['--conditions=@queue-canary/source', program];
    return promisify(execFile)(process.execPath, args, { env }).then(
      () => 'it started',
      ({ stderr }: { stderr: string }) => stderr,
    );
  }

  test.each(['canary', 'stable'])(
    'is complete on %s but for the revision, which the image has',
    async (track) => {
      expect(await complaint(environmentOf(track))).toBe(
        'The worker cannot start: QC_REVISION is not set.\n',
      );
      const image = await readFile(join(root, 'examples', 'sample-app', 'Dockerfile'), 'utf8');
      expect(image).toMatch(/^ENV QC_REVISION=/m);
    },
  );

  test.each(['MAX_RECEIVE_COUNT', 'PROTECT_TASKS', 'PROTECTED_MINUTES_MAX'])(
    'has %s, which the worker reads',
    async (name) => {
      const env = { ...environmentOf('stable'), QC_REVISION: 'abc', ECS_AGENT_URI: 'http://127.0.0.1:9' };
      expect(Object.keys(env)).toContain(name);
      expect(await complaint({ ...env, [name]: 'soon' })).toMatch(
        new RegExp(`${name} must be .*, not "soon"`),
      );
    },
  );
});
