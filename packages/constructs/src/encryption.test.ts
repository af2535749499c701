import { type App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as kms from 'aws-cdk-lib/aws-kms';
import { beforeAll, describe, expect, test } from 'vitest';
import { quickApp } from '../test/quick-app.ts';
import { actionsOf, ensureControllerBundle, resource, resources, statementsOf } from '../test/synthesize.ts';
import { ImageStack, PipelineStack, type StackEncryptionProps } from './index.ts';

beforeAll(ensureControllerBundle);

function encrypted(propsOf: (app: App) => StackEncryptionProps) {
  const app = quickApp({
    analyticsReporting: false,
    context: { '@aws-cdk/core:defaultCrossStackReferences': 'strong' },
  });
  const props = propsOf(app);
  const imageStack = new ImageStack(app, 'TestImage', props);
  const pipelineStack = new PipelineStack(app, 'TestPipeline', { image: imageStack.image, ...props });
  const templates = [Template.fromStack(imageStack), Template.fromStack(pipelineStack)] as const;
  return { image: templates[0], pipeline: templates[1] };
}

const arn = 'arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const imported = () => ({ encryptionKeyArn: arn });

/** What may hold data, and the property that names its key. */
const KEYED: Readonly<Record<string, (properties: Readonly<Record<string, unknown>>) => unknown>> = {
  'AWS::SQS::Queue': ({ KmsMasterKeyId }) => KmsMasterKeyId,
  'AWS::SNS::Topic': ({ KmsMasterKeyId }) => KmsMasterKeyId,
  'AWS::Logs::LogGroup': ({ KmsKeyId }) => KmsKeyId,
  'AWS::ECR::Repository': ({ EncryptionConfiguration }) =>
    (EncryptionConfiguration as { KmsKey?: unknown })?.KmsKey,
  'AWS::CodeBuild::Project': ({ EncryptionKey }) => EncryptionKey,
  'AWS::CodePipeline::Pipeline': ({ ArtifactStore }) =>
    (ArtifactStore as { EncryptionKey?: { Id: unknown } }).EncryptionKey?.Id,
  'AWS::S3::Bucket': ({ BucketEncryption }) =>
    JSON.stringify(BucketEncryption).includes(arn) ? arn : undefined,
};

describe('a key of yours', () => {
  test('encrypts everything that holds data', () => {
    const { image, pipeline } = encrypted(imported);
    const keyed = [image, pipeline]
      .flatMap((template) => resources(template))
      .flatMap(({ type, logicalId, properties }) => {
        const keyOf = KEYED[type];
        return keyOf === undefined ? [] : [[logicalId, keyOf(properties)]];
      });
    expect(keyed.length).toBeGreaterThan(10);
    expect(keyed.filter(([, key]) => key !== arn)).toEqual([]);
  });

  test('may be used by the roles that read and write, and by no others', () => {
    const { pipeline } = encrypted(imported);
    const users = resources(pipeline, 'AWS::IAM::Role')
      .map(({ logicalId }) => logicalId)
      .filter((id) => actionsOf(statementsOf(pipeline, id)).some((action) => action.startsWith('kms:')))
      .map((id) => id.replace(/[0-9A-F]{8}$/, ''));
    expect(users.sort()).toEqual([
      'ControllerRole',
      'PipelineApproveActionRole',
      'PipelineCanaryActionRole',
      'PipelineRole',
      'PipelineSourceActionRole',
      'PipelineStableActionRole',
      'ServicesCanaryTaskRole',
      'ServicesStableTaskRole',
    ]);
    const { logicalId } = resource(pipeline, 'AWS::IAM::Role', 'ServicesStableTaskRole');
    expect(actionsOf(statementsOf(pipeline, logicalId)).filter((a) => a.startsWith('kms:'))).toEqual([
      'kms:Decrypt',
    ]);
  });

  test('lets logs, alarms and rules use it where it is made in the same app, and nobody of another account', () => {
    let keys: Stack | undefined;
    encrypted((app) => {
      keys = new Stack(app, 'Keys');
      return { encryptionKey: new kms.Key(keys, 'Key') };
    });
    const { properties } = resource(Template.fromStack(keys!), 'AWS::KMS::Key');
    const { Statement } = properties.KeyPolicy as {
      Statement: { Principal: { Service?: unknown }; Condition?: unknown }[];
    };
    const services = Statement.filter(({ Principal }) => Principal.Service !== undefined);
    expect(services.map(({ Principal }) => JSON.stringify(Principal.Service)).sort()).toEqual([
      '"cloudwatch.amazonaws.com"',
      '"events.amazonaws.com"',
      '{"Fn::Join":["",["logs.",{"Ref":"AWS::Region"},".amazonaws.com"]]}',
    ]);
    for (const { Condition } of services) expect(JSON.stringify(Condition)).toContain('AWS::AccountId');
  });
});
