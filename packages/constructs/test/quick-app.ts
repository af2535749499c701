import { App, type AppProps } from 'aws-cdk-lib';

/** An app whose templates are looked at: without the tree and the stack traces that it would write alongside them. */
export function quickApp({ context, ...props }: AppProps = {}): App {
  return new App({
    analyticsReporting: false,
    treeMetadata: false,
    context: {
      'aws:cdk:disable-stack-trace': true,
      'aws:cdk:disable-creation-stack-traces': true,
      'aws:cdk:disable-logicalId-metadata': true,
      ...context,
    },
    ...props,
  });
}
