/** A list price of AWS in US dollars, in us-east-1, on demand. */
export interface Price {
  readonly usd: number;
  readonly unit: string;
  /** When the price was read, as year and month. */
  readonly asOf: string;
  /** Where AWS publishes it. */
  readonly source: string;
  /** Units of each month that every account has for free, for good, whatever else it runs. */
  readonly freeUnits: number;
}

const price = (usd: number, unit: string, source: string, freeUnits = 0): Price => ({
  usd,
  unit,
  asOf: '2026-11',
  source,
  freeUnits,
});

const FARGATE = 'https://aws.amazon.com/fargate/pricing/';
/** AWS's own table of Spot prices, which the page above shows. They move, slowly, with supply and demand. */
const FARGATE_SPOT = 'https://dftu77xade0tc.cloudfront.net/fargate-spot-prices.json';
const VPC = 'https://aws.amazon.com/vpc/pricing/';
const PRIVATE_LINK = 'https://aws.amazon.com/privatelink/pricing/';
const CLOUDWATCH = 'https://aws.amazon.com/cloudwatch/pricing/';
const CODEBUILD = 'https://aws.amazon.com/codebuild/pricing/';
const CODEPIPELINE = 'https://aws.amazon.com/codepipeline/pricing/';
const LAMBDA = 'https://aws.amazon.com/lambda/pricing/';
const SQS = 'https://aws.amazon.com/sqs/pricing/';

/** Every price that the cost command uses, for queue-canary and for the AWS sample alike. */
export const PRICES = {
  fargateVcpuX86: price(0.04048, 'vCPU-hour', FARGATE),
  fargateGbX86: price(0.004445, 'GB-hour', FARGATE),
  fargateVcpuArm: price(0.03238, 'vCPU-hour', FARGATE),
  fargateGbArm: price(0.00356, 'GB-hour', FARGATE),
  spotVcpuX86: price(0.01288871, 'vCPU-hour on Spot', FARGATE_SPOT),
  spotGbX86: price(0.00141527, 'GB-hour on Spot', FARGATE_SPOT),
  spotVcpuArm: price(0.01030969, 'vCPU-hour on Spot', FARGATE_SPOT),
  spotGbArm: price(0.00113349, 'GB-hour on Spot', FARGATE_SPOT),
  natHour: price(0.045, 'NAT gateway hour', VPC),
  natGb: price(0.045, 'GB through NAT', VPC),
  publicIpv4Hour: price(0.005, 'hour of a public IPv4 address', VPC),
  endpointHour: price(0.01, 'hour of an interface endpoint in one zone', PRIVATE_LINK),
  internetGb: price(0.09, 'GB to the internet', 'https://aws.amazon.com/ec2/pricing/on-demand/', 100),
  sqsMillion: price(0.4, 'million requests', SQS, 1),
  metric: price(0.3, 'custom metric', CLOUDWATCH, 10),
  alarmMetric: price(0.1, 'metric of an alarm', CLOUDWATCH, 10),
  dashboard: price(3, 'dashboard', CLOUDWATCH, 3),
  cloudWatchCallsThousand: price(0.01, 'thousand other calls of CloudWatch', CLOUDWATCH, 1000),
  logsGb: price(0.5, 'GB of logs', CLOUDWATCH, 5),
  logsStoredGb: price(0.03, 'GB-month of compressed logs', CLOUDWATCH),
  buildMinuteX86: price(0.005, 'minute of general1.small', CODEBUILD, 100),
  buildMinuteX86Large: price(0.02, 'minute of general1.large', CODEBUILD),
  buildMinuteArm: price(0.0034, 'minute of arm1.small', CODEBUILD, 100),
  pipelineV1: price(1, 'active pipeline of type V1', CODEPIPELINE, 1),
  pipelineV2Minute: price(0.002, 'action minute of type V2', CODEPIPELINE, 100),
  lambdaGbSecond: price(0.0000133334, 'GB-second on ARM', LAMBDA, 400_000),
  lambdaMillion: price(0.2, 'million invocations', LAMBDA, 1),
  ecrGb: price(0.1, 'GB-month of images', 'https://aws.amazon.com/ecr/pricing/'),
  s3Gb: price(0.023, 'GB-month of artifacts', 'https://aws.amazon.com/s3/pricing/'),
} as const satisfies Record<string, Price>;

/** Hours of a month, as AWS's calculator takes them. */
export const HOURS_PER_MONTH = 730;
