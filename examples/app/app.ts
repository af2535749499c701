import { ReleasePolicyError } from '@queue-canary/constructs';
import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { acknowledgeFindings } from './acknowledgements.ts';
import { addQueueCanary } from './queue-canary-app.ts';
import { inContextNames, SettingsError } from './settings.ts';

const app = new App({
  analyticsReporting: false,
  context: {
    '@aws-cdk/core:defaultCrossStackReferences': 'strong',
    '@aws-cdk/core:validateAgainstDefaultRules': true,
  },
});
Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
try {
  acknowledgeFindings(addQueueCanary(app));
  app.synth();
} catch (error) {
  if (!(error instanceof SettingsError || error instanceof ReleasePolicyError)) throw error;
  console.error(error instanceof ReleasePolicyError ? inContextNames(error) : error.message);
  process.exitCode = 1;
}
