import { CrossStackReferences, ReferenceStrength, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { QueueCanary, type QueueCanaryProps } from './queue-canary.ts';

/** Options of {@link PipelineStack}. */
export interface PipelineStackProps extends StackProps, QueueCanaryProps {}

/** A stack that holds a {@link QueueCanary} and nothing else. */
export class PipelineStack extends Stack {
  /** Everything in the stack. */
  readonly queueCanary: QueueCanary;

  constructor(scope: Construct, id: string, props: PipelineStackProps) {
    super(scope, id, props);
    // The image stack must not go, nor lose a role, while the services live on what it holds.
    CrossStackReferences.of(this).consume(ReferenceStrength.STRONG);
    // CDK leaves the id Default out of logical ids, which must stay as they are: another id replaces the resource.
    this.queueCanary = new QueueCanary(this, 'Default', props);
  }
}
