import { readEnvironment } from './environment.ts';
import { createAwsGateways } from './gateways/aws.ts';
import { createHandler } from './handler.ts';

const { names, policy } = readEnvironment(process.env);

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** The Lambda function's handler. */
export const handler = createHandler({
  gateways: createAwsGateways(names, {}, sleep),
  policy,
  nowMs: () => Date.now(),
  sleep,
  log: (line) => {
    process.stdout.write(`${JSON.stringify({ app: names.app, ...line })}\n`);
  },
});
