import { PipelineStack, PublishedImageStack } from '@queue-canary/constructs';
import { App } from 'aws-cdk-lib';

/** A change of the variables, the size or the secrets reaches stable when the judge has passed the canary with it. */
export const app = new App();
const { image } = new PublishedImageStack(app, 'OrdersImage', { repositoryName: 'team/orders' });
new PipelineStack(app, 'OrdersPipeline', {
  image,
  environment: { PRICES_URL: 'https://prices.example.com/v2' },
  judgeConfiguration: true,
});
