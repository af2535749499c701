import type { Clock } from '../clock/clock.ts';
import type { Pace } from '../clock/pace.ts';
import { AwsFault } from '../errors.ts';
import type { Principal } from '../iam/principal.ts';
import type { ServiceName } from '../sdk/services.ts';

/** How often an account may call some operations of a service in one region. */
export interface RateLimit {
  readonly service: ServiceName;
  /** They share one bucket. */
  readonly operations: readonly string[];
  /** Calls per second that the bucket gains, of AWS's time. */
  readonly perSecond: number;
  /** Calls that a full bucket allows at once. */
  readonly burst: number;
  /** Error code with which the service refuses a call. */
  readonly code: 'ThrottlingException' | 'Throttling';
  readonly source: string;
  /** Whether AWS publishes no figure, so that this is a guess from reports of throttling. */
  readonly estimated?: true;
}

const ecs = {
  service: 'ecs',
  code: 'ThrottlingException',
  source: 'https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html',
} as const;

const codePipeline = {
  service: 'codepipeline',
  perSecond: 5,
  burst: 20,
  code: 'ThrottlingException',
  source:
    'https://github.com/aws-ia/terraform-aws-control_tower_account_factory/issues/351, /issues/487 (more than 20 calls at once are throttled)',
  estimated: true,
} as const;

/** A quota in transactions per second allows a second's worth at once. */
const tps = (perSecond: number) => ({ perSecond, burst: perSecond });

/**
 * The limits of the calls that a release controller makes, an account and region's defaults. Where regions differ, the
 * lowest stands here. What is not listed is not limited: SQS, for one, has no limit for standard queues.
 */
export const RATE_LIMITS: readonly RateLimit[] = [
  { ...codePipeline, operations: ['GetPipelineState'] },
  { ...codePipeline, operations: ['ListPipelineExecutions'] },
  { ...codePipeline, operations: ['ListActionExecutions'] },
  { ...codePipeline, operations: ['StartPipelineExecution', 'StopPipelineExecution'] },
  { ...codePipeline, operations: ['PutJobSuccessResult', 'PutJobFailureResult'] },
  { ...codePipeline, operations: ['PutApprovalResult'] },
  { ...codePipeline, operations: ['EnableStageTransition', 'DisableStageTransition'] },
  { ...ecs, operations: ['DescribeServices', 'ListServices'], perSecond: 20, burst: 100 },
  { ...ecs, operations: ['CreateService', 'DeleteService', 'UpdateService'], perSecond: 5, burst: 50 },
  {
    ...ecs,
    operations: ['DescribeTasks', 'ListTasks', 'DescribeContainerInstances', 'ListContainerInstances'],
    perSecond: 20,
    burst: 100,
  },
  {
    ...ecs,
    operations: ['DescribeTaskDefinition', 'ListTaskDefinitions', 'ListTaskDefinitionFamilies'],
    perSecond: 20,
    burst: 50,
  },
  { ...ecs, operations: ['RegisterTaskDefinition', 'DeregisterTaskDefinition'], perSecond: 1, burst: 20 },
  {
    service: 'logs',
    operations: ['FilterLogEvents'],
    // 25 in us-east-1, 5 in eu-central-1 and four others, 10 elsewhere. It cannot be raised.
    ...tps(5),
    code: 'ThrottlingException',
    source:
      'https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html, https://repost.aws/knowledge-center/cloudwatch-logs-throttling',
  },
  {
    service: 'ssm',
    operations: ['GetParameter', 'GetParameters', 'PutParameter'],
    ...tps(40),
    code: 'ThrottlingException',
    source:
      'https://docs.aws.amazon.com/general/latest/gr/ssm.html, https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-throughput.html',
  },
  {
    service: 'cloudwatch',
    operations: ['GetMetricData'],
    ...tps(50),
    code: 'Throttling',
    source: 'https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html',
  },
  {
    service: 'cloudwatch',
    operations: ['DescribeAlarms'],
    ...tps(9),
    code: 'Throttling',
    source: 'https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html',
  },
];

/** A token bucket, full at first. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #atMs: number;

  constructor(limit: { readonly perSecond: number; readonly burst: number }, nowMs: number) {
    this.#perMs = limit.perSecond / 1000;
    this.#burst = limit.burst;
    this.#tokens = limit.burst;
    this.#atMs = nowMs;
  }

  /** Takes one token, or reports that there is none. */
  take(nowMs: number): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

interface LimitedOperation {
  readonly limit: RateLimit;
  readonly bucket: TokenBucket;
}

/**
 * The account's rate limits.
 *
 * Rates are per second of AWS's time: at pace 20 a minute of a schedule takes three seconds, and as many calls come
 * within them, so buckets gain tokens twenty times as fast. What a bucket holds stays the same: what is called at once
 * is called at once at any pace.
 */
export class RateLimits {
  readonly #clock: Clock;
  readonly #buckets = new Map<ServiceName, Map<string, LimitedOperation>>();

  constructor(clock: Clock, pace: Pace) {
    this.#clock = clock;
    for (const limit of RATE_LIMITS) {
      const perSecond = limit.perSecond * pace.factor;
      const bucket = new TokenBucket({ perSecond, burst: limit.burst }, clock.uptimeMs());
      const ofService = this.#buckets.get(limit.service) ?? new Map<string, LimitedOperation>();
      for (const operation of limit.operations) ofService.set(operation, { limit, bucket });
      this.#buckets.set(limit.service, ofService);
    }
  }

  /**
   * Counts one call, and refuses it when the account has made too many. What AWS's services call for the account, as
   * CodePipeline does with an action's role, counts too, but is not refused: their own retries are out of sight.
   */
  admit(principal: Principal, service: ServiceName, operation: string, external: boolean): void {
    if (principal.kind === 'service') return;
    const limited = this.#buckets.get(service)?.get(operation);
    if (limited === undefined) return;
    const admitted = limited.bucket.take(this.#clock.uptimeMs());
    if (!admitted && external) throw new AwsFault(limited.limit.code, 'Rate exceeded');
  }
}
