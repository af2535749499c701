import {
  ImageStack,
  type ImageStackProps,
  PipelineStack,
  PublishedImageStack,
} from '@queue-canary/constructs';
import type { App } from 'aws-cdk-lib';
import { readSettings, type Settings } from './settings.ts';

/** Both stacks of one queue-canary system, named after the app. */
export interface QueueCanary {
  readonly imageStack: ImageStack | PublishedImageStack;
  readonly pipelineStack: PipelineStack;
}

/** Adds the image stack and the pipeline stack, as the context asks for them. */
export function addQueueCanary(app: App): QueueCanary {
  const settings = readSettings(app.node);
  const common = {
    ...(settings.logRetention === undefined ? {} : { logRetention: settings.logRetention }),
    ...(settings.keyArn === undefined ? {} : { encryptionKeyArn: settings.keyArn }),
  };
  const imageStack = addImageStack(app, settings, common);
  const pipelineStack = new PipelineStack(app, `${settings.app}Pipeline`, {
    description: 'queue-canary: queue, canary and stable service, release pipeline',
    appName: settings.app,
    image: imageStack.image,
    queueRemovalPolicy: settings.removalPolicy,
    ...common,
    ...settings.pipeline,
  });
  return { imageStack, pipelineStack };
}

function addImageStack(
  app: App,
  settings: Settings,
  common: Pick<ImageStackProps, 'logRetention' | 'encryptionKeyArn'>,
): QueueCanary['imageStack'] {
  const { architecture, imageRepository, imageCountMax } = settings;
  const id = `${settings.app}Image`;
  if (imageRepository !== undefined) {
    return new PublishedImageStack(app, id, {
      description: 'queue-canary: the image of the worker that is released',
      repositoryName: imageRepository,
      architecture,
    });
  }
  return new ImageStack(app, id, {
    description: 'queue-canary: source, build and images of the worker',
    architecture,
    removalPolicy: settings.removalPolicy,
    ...(imageCountMax === undefined ? {} : { imageCountMax }),
    ...common,
  });
}
