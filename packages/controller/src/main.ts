import { readEnvironment } from './environment.ts';
import { createAwsGateways } from './gateways/aws.ts';
import { createHandler } from './handler.ts';

const { names, policy } = readEnvironment(process.env);

/** The Lambda function's handler. */
export const handler = createHandler({
  gateways: createAwsGateways(names),
  policy,
  nowMs: () => Date.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  log: (line) => {
    process.stdout.write(`${JSON.stringify({ app: names.app, ...line })}\n`);
  },
});
