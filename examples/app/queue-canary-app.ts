import { ImageStack, PipelineStack } from '@queue-canary/constructs';
import type { App } from 'aws-cdk-lib';
import { readSettings } from './settings.ts';

/** Both stacks of one queue-canary system, named after the app. */
export interface QueueCanary {
  readonly imageStack: ImageStack;
  readonly pipelineStack: PipelineStack;
}

/** Adds the image stack and the pipeline stack, as the context asks for them. */
export function addQueueCanary(app: App): QueueCanary {
  const settings = readSettings(app.node);
  const common = {
    ...(settings.logRetention === undefined ? {} : { logRetention: settings.logRetention }),
    ...(settings.keyArn === undefined ? {} : { encryptionKeyArn: settings.keyArn }),
  };
  const imageStack = new ImageStack(app, `${settings.app}Image`, {
    description: 'queue-canary: source, build and images of the worker',
    architecture: settings.architecture,
    removalPolicy: settings.removalPolicy,
    ...(settings.imageCountMax === undefined ? {} : { imageCountMax: settings.imageCountMax }),
    ...common,
  });
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
