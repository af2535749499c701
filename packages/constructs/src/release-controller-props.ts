import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as logs from 'aws-cdk-lib/aws-logs';
import type * as sns from 'aws-cdk-lib/aws-sns';
import type * as ssm from 'aws-cdk-lib/aws-ssm';
import type { CanaryServices } from './canary-services.ts';
import type { EncryptionProps } from './encryption.ts';
import type { ReleasePolicyProps } from './release-policy-props.ts';
import type { WorkerImage } from './worker-image.ts';
import type { IWorkerQueue } from './worker-queue.ts';

/** Options of `ReleaseController`. */
export interface ReleaseControllerProps extends ReleasePolicyProps, EncryptionProps {
  /** Name under which outcomes are reported. */
  readonly appName: string;
  /** Pipeline that the controller watches. Its name, because the pipeline in turn invokes the controller. */
  readonly pipelineName: string;
  /** Image whose parameter a promotion writes. */
  readonly image: WorkerImage;
  /** Queue whose dead letters end a release. */
  readonly queue: IWorkerQueue;
  /**
   * Alarms of your own, metric or composite, that end a release during which they go off.
   *
   * @default - none
   */
  readonly alarms?: readonly cloudwatch.IAlarm[];
  /** The two services that are restored. */
  readonly services: CanaryServices;
  /**
   * Holds the stack update that waits for the controller's answer.
   *
   * @default - stack updates wait for nobody
   */
  readonly updateParameter?: ssm.IStringParameter;
  /** Where the controller announces that it waits for a person, and what became of a release. */
  readonly topic: sns.ITopic;
  /**
   * How long the controller's log is kept.
   *
   * @default - one year
   */
  readonly logRetention?: logs.RetentionDays;
  /**
   * Invocations that are kept for the controller, and the most that it gets; at least 3, since one that answers a job
   * lasts for minutes while alarms come in.
   *
   * @default - none: they are taken from all other functions of the account, and a new account has none to give
   */
  readonly reservedConcurrentExecutions?: number;
}
