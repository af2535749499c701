import { ECR } from '@aws-sdk/client-ecr';
import { IAM } from '@aws-sdk/client-iam';
import { STS } from '@aws-sdk/client-sts';
import { expect, test } from 'vitest';
import { type TestEngine, testEngine } from './harness.ts';
import { pushImage, registryLogin } from './push-image.ts';

const image = (content: string) => ({ files: { 'main.mjs': content }, command: ['node', 'main.mjs'] });

async function repository(settings: Partial<Parameters<ECR['createRepository']>[0]> = {}) {
  const engine = await testEngine();
  const ecr = new ECR(engine.client);
  const { repository: created } = await ecr.createRepository({ repositoryName: 'team/worker', ...settings });
  return { engine, ecr, created: created! };
}

/** Credentials of a role with these actions on every repository. */
async function asRole(engine: TestEngine, actions: string[]): Promise<TestEngine['client']> {
  const iam = new IAM(engine.client);
  const { Role } = await iam.createRole({
    RoleName: 'pusher',
    AssumeRolePolicyDocument: JSON.stringify({
      Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { AWS: engine.accountId } }],
    }),
  });
  await iam.putRolePolicy({
    RoleName: 'pusher',
    PolicyName: 'own',
    PolicyDocument: JSON.stringify({ Statement: [{ Effect: 'Allow', Action: actions, Resource: '*' }] }),
  });
  const { Credentials } = await new STS(engine.client).assumeRole({
    RoleArn: Role!.Arn!,
    RoleSessionName: 'test',
  });
  return {
    ...engine.client,
    credentials: {
      accessKeyId: Credentials!.AccessKeyId!,
      secretAccessKey: Credentials!.SecretAccessKey!,
      sessionToken: Credentials!.SessionToken!,
    },
  } as TestEngine['client'];
}

test('an image that was pushed is described, listed, served by its digest, and announced', async () => {
  const { engine, ecr, created } = await repository();
  expect(created.repositoryUri).toBe(`${new URL(engine.endpoint).host}/team/worker`);
  const name = await pushImage(engine, 'team/worker', 'v1', image('1'));
  const imageDigest = name.split('@')[1]!;
  const { imageDetails } = await ecr.describeImages({
    repositoryName: 'team/worker',
    imageIds: [{ imageTag: 'v1' }],
  });
  expect(imageDetails).toMatchObject([{ imageDigest, imageTags: ['v1'] }]);
  expect((await ecr.listImages({ repositoryName: 'team/worker' })).imageIds).toEqual([
    { imageDigest, imageTag: 'v1' },
  ]);
  const { images, failures } = await ecr.batchGetImage({
    repositoryName: 'team/worker',
    imageIds: [{ imageDigest }, { imageTag: 'v2' }],
  });
  expect(images).toMatchObject([{ imageId: { imageDigest } }]);
  expect(failures).toMatchObject([{ failureCode: 'ImageNotFound' }]);
  const layer = JSON.parse(images![0]!.imageManifest!).layers[0].digest as string;
  const { layers } = await ecr.batchCheckLayerAvailability({
    repositoryName: 'team/worker',
    layerDigests: [layer],
  });
  expect(layers).toMatchObject([{ layerAvailability: 'AVAILABLE' }]);
  const { downloadUrl } = await ecr.getDownloadUrlForLayer({
    repositoryName: 'team/worker',
    layerDigest: layer,
  });
  const blob = await fetch(downloadUrl!, { headers: { authorization: await registryLogin(engine.client) } });
  expect(blob.headers.get('docker-content-digest')).toBe(layer);
  const events = engine.journal
    .read()
    .filter(({ type, detail }) => type === 'aws.event' && detail['detail-type'] === 'ECR Image Action');
  expect(events.map(({ detail }) => detail.detail)).toMatchObject([
    {
      'action-type': 'PUSH',
      'repository-name': 'team/worker',
      'image-tag': 'v1',
      'image-digest': imageDigest,
    },
  ]);
});

test('an immutable tag is never moved, by registry or API; the same image may be pushed again', async () => {
  const { engine, ecr } = await repository({ imageTagMutability: 'IMMUTABLE' });
  const name = await pushImage(engine, 'team/worker', 'v1', image('1'));
  expect(await pushImage(engine, 'team/worker', 'v1', image('1'))).toBe(name);
  await expect(pushImage(engine, 'team/worker', 'v1', image('2'))).rejects.toThrow(/immutable/);
  const other = await pushImage(engine, 'team/worker', 'v2', image('2'));
  const { images } = await ecr.batchGetImage({
    repositoryName: 'team/worker',
    imageIds: [{ imageDigest: other.split('@')[1]! }],
  });
  const put = { repositoryName: 'team/worker', imageManifest: images![0]!.imageManifest! };
  await expect(ecr.putImage({ ...put, imageTag: 'v1' })).rejects.toMatchObject({
    name: 'ImageTagAlreadyExistsException',
  });
  await expect(ecr.putImage({ ...put, imageTag: 'v2' })).rejects.toMatchObject({
    name: 'ImageAlreadyExistsException',
  });
  await ecr.putImage({ ...put, imageTag: 'v3' });
});

test('a role pushes only with the permissions that a push needs, and no token reaches another repository', async () => {
  const { engine, ecr } = await repository();
  const reader = await asRole(engine, [
    'ecr:GetAuthorizationToken',
    'ecr:BatchGetImage',
    'ecr:GetDownloadUrlForLayer',
  ]);
  const token = await registryLogin(reader);
  await expect(pushImage(engine, 'team/worker', 'v1', image('1'), token)).rejects.toThrow(
    /403.*not authorized to perform: ecr:BatchCheckLayerAvailability on resource: arn:aws:ecr:us-east-1:000000000000:repository\/team\/worker/,
  );
  await ecr.setRepositoryPolicy({
    repositoryName: 'team/worker',
    policyText: JSON.stringify({
      Statement: [
        {
          Effect: 'Allow',
          Principal: { AWS: `arn:aws:iam::${engine.accountId}:role/pusher` },
          Action: 'ecr:*',
        },
      ],
    }),
  });
  await pushImage(engine, 'team/worker', 'v1', image('1'), token);
  await expect(pushImage(engine, 'team/other', 'v1', image('1'), token)).rejects.toThrow(/403/);
  await expect(pushImage(engine, 'team/worker', 'v1', image('1'), 'Basic QVdTOm5vbmU=')).rejects.toThrow(
    /401/,
  );
});

test('a repository with images goes only by force', async () => {
  const { engine, ecr } = await repository();
  await pushImage(engine, 'team/worker', 'v1', image('1'));
  await expect(ecr.deleteRepository({ repositoryName: 'team/worker' })).rejects.toMatchObject({
    name: 'RepositoryNotEmptyException',
  });
  await ecr.deleteRepository({ repositoryName: 'team/worker', force: true });
  await expect(ecr.describeImages({ repositoryName: 'team/worker' })).rejects.toMatchObject({
    name: 'RepositoryNotFoundException',
    message: "The repository with name 'team/worker' does not exist in the registry with id '000000000000'",
  });
});

test('deleting the last tag of an image deletes the image', async () => {
  const { engine, ecr } = await repository();
  const name = await pushImage(engine, 'team/worker', 'v1', image('1'));
  await pushImage(engine, 'team/worker', 'latest', image('1'));
  const at = { repositoryName: 'team/worker' };
  await ecr.batchDeleteImage({ ...at, imageIds: [{ imageTag: 'latest' }] });
  expect((await ecr.describeImages(at)).imageDetails).toMatchObject([{ imageTags: ['v1'] }]);
  const { imageIds } = await ecr.batchDeleteImage({ ...at, imageIds: [{ imageTag: 'v1' }] });
  expect(imageIds).toEqual([{ imageDigest: name.split('@')[1], imageTag: 'v1' }]);
  expect((await ecr.describeImages(at)).imageDetails).toEqual([]);
});

test('lifecycle policy and tags are kept', async () => {
  const { ecr, created } = await repository({ tags: [{ Key: 'a', Value: '1' }] });
  const at = { repositoryName: 'team/worker' };
  await expect(ecr.getLifecyclePolicy(at)).rejects.toMatchObject({
    name: 'LifecyclePolicyNotFoundException',
  });
  await ecr.putLifecyclePolicy({ ...at, lifecyclePolicyText: '{"rules":[]}' });
  expect((await ecr.getLifecyclePolicy(at)).lifecyclePolicyText).toBe('{"rules":[]}');
  await expect(ecr.putLifecyclePolicy({ ...at, lifecyclePolicyText: 'rules' })).rejects.toMatchObject({
    name: 'InvalidParameterException',
  });
  const resourceArn = created.repositoryArn!;
  await ecr.tagResource({ resourceArn, tags: [{ Key: 'b', Value: '2' }] });
  await ecr.untagResource({ resourceArn, tagKeys: ['a'] });
  expect((await ecr.listTagsForResource({ resourceArn })).tags).toEqual([{ Key: 'b', Value: '2' }]);
});
