import { App } from 'aws-cdk-lib';
import { addQueueCanary } from './queue-canary-app.ts';
import { SettingsError } from './settings.ts';

const app = new App({
  analyticsReporting: false,
  context: { '@aws-cdk/core:defaultCrossStackReferences': 'strong' },
});
try {
  addQueueCanary(app);
  app.synth();
} catch (error) {
  if (!(error instanceof SettingsError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
