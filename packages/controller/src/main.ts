import { readEnvironment } from './environment.ts';
import { createAwsGateways } from './gateways/aws.ts';
import { createHandler } from './handler.ts';

const { app, names, policy } = readEnvironment(process.env);

/** The Lambda function's handler. */
export const handler = createHandler({
  gateways: createAwsGateways(names),
  policy,
  nowMs: () => Date.now(),
  log: (line) => {
    process.stdout.write(`${JSON.stringify({ app, ...line })}\n`);
  },
});
