import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  ensureControllerBundle,
  joined,
  type Resource,
  resource,
  resources,
} from '../../packages/constructs/test/synthesize.ts';

/** Lines that a team with a queue, a network and a repository may have to write. */
const LINES_MAX = 12;

interface Example {
  readonly image: Template;
  readonly pipeline: Template;
  /** Lines of code, without imports. */
  readonly lines: number;
}

/** They need the controller's bundle when they are loaded. */
const modules = {
  'existing-queue-and-network': () => import('./existing-queue-and-network.ts'),
  'ecr-image': () => import('./ecr-image.ts'),
  'fifo-queue': () => import('./fifo-queue.ts'),
  'judged-configuration': () => import('./judged-configuration.ts'),
};
const examples = new Map<string, Example>();

beforeAll(async () => {
  await ensureControllerBundle();
  for (const [name, load] of Object.entries(modules)) {
    const { app } = await load();
    const [image, pipeline] = ['OrdersImage', 'OrdersPipeline'].map((stack) =>
      Template.fromStack(app.node.findChild(stack) as Stack),
    );
    examples.set(name, { image: image!, pipeline: pipeline!, lines: linesOf(name) });
  }
});

function linesOf(name: string): number {
  const text = readFileSync(join(import.meta.dirname, `${name}.ts`), 'utf8');
  return text.split('\n').filter((line) => !/^\s*($|\/\/|\/\*\*|\*|import )/.test(line)).length;
}

const example = (name: keyof typeof modules) => examples.get(name)!;
const typesOf = (...templates: readonly Template[]) =>
  templates.flatMap((template) => resources(template)).map(({ type }) => type);
/** What is deployed; CDK's note about itself is no resource of AWS. */
const countOf = (template: Template) =>
  typesOf(template).filter((type) => type !== 'AWS::CDK::Metadata').length;

function sourceOf({ pipeline }: Example): unknown {
  const { Stages } = resource(pipeline, 'AWS::CodePipeline::Pipeline').properties as {
    Stages: readonly { readonly Actions: readonly unknown[] }[];
  };
  return Stages[0]?.Actions[0];
}

/** The queue that the tasks of both services consume. */
function queueUrls({ pipeline }: Example): unknown[] {
  return resources(pipeline, 'AWS::ECS::TaskDefinition').map(({ properties }: Resource) => {
    const { ContainerDefinitions } = properties as {
      ContainerDefinitions: readonly { Environment: readonly { Name: string; Value: unknown }[] }[];
    };
    return ContainerDefinitions[0]?.Environment.find(({ Name }) => Name === 'QUEUE_URL')?.Value;
  });
}

describe('a queue, a network and a repository on GitHub that there are', () => {
  test('stay as they are: nothing of the kind is made', () => {
    const { image, pipeline } = example('existing-queue-and-network');
    const types = typesOf(image, pipeline);
    expect(types.filter((type) => /^AWS::(CodeCommit|EC2)::/.test(type))).toEqual([
      'AWS::EC2::SecurityGroup',
    ]);
    // What EventBridge could not deliver.
    const queues = resources(pipeline, 'AWS::SQS::Queue');
    expect(queues.map(({ logicalId }) => logicalId)).toEqual([expect.stringMatching(/UndeliveredEvents/)]);
  });

  test('are what the services and the pipeline use', () => {
    const there = example('existing-queue-and-network');
    expect(queueUrls(there).map(joined)).toEqual(
      Array.from({ length: 2 }, () =>
        expect.stringMatching(/^https:\/\/sqs\.eu-west-1\..*\/123456789012\/orders$/),
      ),
    );
    expect(sourceOf(there)).toMatchObject({
      ActionTypeId: { Provider: 'CodeStarSourceConnection' },
      Configuration: { FullRepositoryId: 'team/orders', BranchName: 'main' },
    });
    for (const { properties } of resources(there.pipeline, 'AWS::ECS::Service')) {
      expect(properties.NetworkConfiguration).toMatchObject({
        AwsvpcConfiguration: { AssignPublicIp: 'DISABLED', Subnets: ['p-12345', 'p-67890'] },
      });
    }
  });

  test(`take at most ${LINES_MAX} lines`, () => {
    expect(example('existing-queue-and-network').lines).toBeLessThanOrEqual(LINES_MAX);
  });
});

test('images that a CI pushes need neither source nor builds nor a repository', () => {
  const there = example('ecr-image');
  expect(typesOf(there.image)).toEqual(['AWS::SSM::Parameter']);
  expect(typesOf(there.pipeline).filter((type) => /::(CodeCommit|CodeBuild|ECR)::/.test(type))).toEqual([]);
  expect(sourceOf(there)).toMatchObject({ ActionTypeId: { Provider: 'S3' } });
});

test('a FIFO queue is consumed, and watched by its dead-letter queue', () => {
  const there = example('fifo-queue');
  const queues = resources(there.pipeline, 'AWS::SQS::Queue');
  const fifo = queues.filter(({ properties }) => properties.FifoQueue === true);
  expect(fifo).toHaveLength(2);
  expect(queues).toHaveLength(3);
  const { logicalId } = fifo.find(({ properties }) => 'RedrivePolicy' in properties)!;
  expect(queueUrls(there)).toEqual([{ Ref: logicalId }, { Ref: logicalId }]);
});

test('a judged configuration has checkpoints before the canary and before stable', () => {
  const types = typesOf(example('judged-configuration').pipeline);
  expect(types.filter((type) => type.startsWith('Custom::'))).toEqual([
    'Custom::CanaryHold',
    'Custom::CanaryVerdict',
  ]);
});

test('examples/README.md counts lines and resources as they are', () => {
  const page = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8');
  const rows = [...examples].map(([name, { lines, image, pipeline }]) => {
    return `[${name}.ts](adopt/${name}.ts) | ${lines} | ${countOf(image)} + ${countOf(pipeline)} |`;
  });
  const counted = [...page.matchAll(/\| (\[[\w-]+\.ts\]\(adopt\/.*)$/gm)].map(([, row]) => row);
  expect(counted).toEqual(rows);
});
