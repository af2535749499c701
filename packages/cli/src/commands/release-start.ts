import { RELEASE_REQUEST_KEY, WORKER_CONTAINER } from '@queue-canary/core';
import { strToU8, zipSync } from 'fflate';
import type { Context, ReleaseContext } from '../context.ts';
import { imageOutputs, isBuilt, pipelineOutputs } from '../stacks.ts';
import { CliError } from '../user-error.ts';
import { reportOutcome } from './release-follow.ts';

export interface StartOptions {
  /** The image to release, by digest or tag, where somebody else pushes the images. */
  readonly image?: string;
  /** Follow the release until it is decided. */
  readonly wait?: boolean;
  readonly json?: boolean;
}

/** Starts a release, and follows it if that is wanted; resolves with the exit status. */
export async function releaseStart(context: Context, options: StartOptions): Promise<number> {
  const started = await startRelease(context, options.image);
  if (options.wait) return reportOutcome(context, started, options.json ?? false);
  if (options.json) context.print(JSON.stringify(started, null, 2));
  else context.terminal.line('next: queue-canary release watch shows it');
  return 0;
}

/** A release that was started. */
export interface StartedRelease {
  /** Of the pipeline. */
  readonly executionId: string;
  /** By its digest; absent where the pipeline builds it. */
  readonly image?: string;
}

/** Starts a release: of the image that is named or, where the pipeline builds its images, of the newest commit once more. */
export async function startRelease(
  context: ReleaseContext,
  named: string | undefined,
): Promise<StartedRelease> {
  const { cloudformation } = context.clients;
  const [built, { PipelineName }] = await Promise.all([
    isBuilt(cloudformation, context.app),
    pipelineOutputs(cloudformation, context.app),
  ]);
  if (built && named !== undefined) {
    throw new CliError(
      `${context.app} releases images that it builds from commits: push a commit, or leave --image out to release the newest one again`,
    );
  }
  const image = built ? undefined : await requestRelease(context, named);
  // The SDK sends a token with it, so a call that it tries again starts nothing twice.
  const { pipelineExecutionId: executionId = '' } = await context.clients.codepipeline.startPipelineExecution(
    {
      name: PipelineName,
    },
  );
  context.terminal.line(`started: execution ${executionId} releases ${image ?? 'the newest commit'}`);
  return { executionId, ...(image !== undefined && { image }) };
}

/** Writes the request to release an image, and resolves with the image by its digest. */
async function requestRelease(context: ReleaseContext, named: string | undefined): Promise<string> {
  const { cloudformation, s3 } = context.clients;
  const { ImageRepositoryUri } = await imageOutputs(cloudformation, context.app);
  if (named === undefined) {
    throw new CliError(
      `${context.app} releases images that you push yourself: name one with --image ${ImageRepositoryUri}:TAG or --image ${ImageRepositoryUri}@sha256:...`,
    );
  }
  const imageUri = await resolveImage(context, named, ImageRepositoryUri);
  const { ArtifactBucketName } = await pipelineOutputs(cloudformation, context.app);
  await s3.putObject({
    Bucket: ArtifactBucketName,
    Key: RELEASE_REQUEST_KEY,
    Body: zipSync({
      'imagedefinitions.json': strToU8(JSON.stringify([{ name: WORKER_CONTAINER, imageUri }])),
    }),
    ContentType: 'application/zip',
    Metadata: { 'codepipeline-artifact-revision-summary': imageUri },
  });
  return imageUri;
}

/** The image by its digest; an error where it is not in the application's repository. */
async function resolveImage(context: ReleaseContext, named: string, repositoryUri: string): Promise<string> {
  const { repository, tag, digest } = parseImage(named);
  if (repository !== repositoryUri && !isLocalName(context, repository, repositoryUri)) {
    throw new CliError(
      `${named} is of another repository: ${context.app} releases images of ${repositoryUri}. Push it there, or deploy the image stack with the setting imageRepository of the other one`,
    );
  }
  const [host = '', ...path] = repositoryUri.split('/');
  const [registryId] = /^\d{12}(?=\.dkr\.ecr\.)/.exec(host) ?? [];
  try {
    const { imageDetails } = await context.clients.ecr.describeImages({
      ...(registryId === undefined ? {} : { registryId }),
      repositoryName: path.join('/'),
      imageIds: [digest === undefined ? { imageTag: tag } : { imageDigest: digest }],
    });
    const found = imageDetails?.[0]?.imageDigest;
    if (found === undefined) throw new CliError(`ECR says nothing of ${named}: try again`);
    if (digest === undefined) context.terminal.line(`${named} is ${repositoryUri}@${found}`);
    return `${repositoryUri}@${found}`;
  } catch (error) {
    switch ((error as Error).name) {
      case 'ImageNotFoundException':
        throw new CliError(
          `${repositoryUri} has no image ${digest ?? tag}: push it first, or look for it with "aws ecr describe-images --repository-name ${path.join('/')}"`,
        );
      case 'RepositoryNotFoundException':
        throw new CliError(
          `there is no repository ${repositoryUri}: create it with "aws ecr create-repository --repository-name ${path.join('/')}", or deploy both stacks with the setting imageRepository of one that exists`,
        );
      default:
        throw error;
    }
  }
}

interface NamedImage {
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

function parseImage(named: string): NamedImage {
  const [, repository, tag, digest] =
    /^(.+?)(?::([\w][\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(named) ?? [];
  // A colon before a slash begins a port.
  if (repository === undefined || repository.includes('@') || (tag ?? digest) === undefined) {
    throw new CliError(
      `"${named}" is no image: name one as REPOSITORY@sha256:... (64 digits) or REPOSITORY:TAG`,
    );
  }
  return { repository, tag, digest };
}

/** Whether it is the name that the local engine's own `docker` gives the repository. */
function isLocalName({ target }: ReleaseContext, repository: string, repositoryUri: string): boolean {
  const after = (uri: string) => uri.slice(uri.indexOf('/'));
  return (
    target.kind === 'local' &&
    /^(127\.0\.0\.1|localhost)(:\d+)?\//.test(repository) &&
    after(repository) === after(repositoryUri)
  );
}
