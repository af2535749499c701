import { PipelineStack, PublishedImageStack } from '@queue-canary/constructs';
import { App } from 'aws-cdk-lib';

/** A CI pushes images to an ECR repository, and starts releases with `queue-canary release start --image`. */
export const app = new App();
const { image } = new PublishedImageStack(app, 'OrdersImage', { repositoryName: 'team/orders' });
new PipelineStack(app, 'OrdersPipeline', { image, approval: 'automatic-then-manual' });
