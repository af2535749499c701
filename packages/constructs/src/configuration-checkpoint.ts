import { CONTROLLER_VARIABLES, environmentOf } from '@queue-canary/core';
import { CustomResource, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as ssm from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import type { CanaryServices } from './canary-services.ts';
import { CONTROLLER_BUNDLE } from './controller-bundle.ts';
import type { EncryptionProps } from './encryption.ts';

/** Options of {@link ConfigurationCheckpoint}. */
export interface ConfigurationCheckpointProps extends EncryptionProps {
  /** The services whose configuration is judged. */
  readonly services: CanaryServices;
  /**
   * How long its log is kept.
   *
   * @default - one year
   */
  readonly logRetention?: logs.RetentionDays;
}

/**
 * Makes a stack update wait in the middle: the canary gets a changed task definition, and stable gets it only when the
 * controller has answered. Two custom resources ask, one before the canary is changed and one after.
 */
export class ConfigurationCheckpoint extends Construct {
  /** Holds the question that waits for the controller's answer; `{}` while there is none. */
  readonly parameter: ssm.StringParameter;
  /** Passes CloudFormation's questions on to the controller, which depends on the services and cannot be asked itself. */
  readonly function: lambda.Function;

  constructor(scope: Construct, id: string, props: ConfigurationCheckpointProps) {
    super(scope, id);
    const { canary, stable } = props.services;
    // As with the release parameter: a change here would make CloudFormation write the value again.
    this.parameter = new ssm.StringParameter(this, 'Update', { stringValue: '{}' });
    const logGroup = new logs.LogGroup(this, 'Logs', {
      retention: props.logRetention ?? logs.RetentionDays.ONE_YEAR,
      ...(props.encryptionKey === undefined ? {} : { encryptionKey: props.encryptionKey }),
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new iam.Role(this, 'Role', { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') });
    logGroup.grantWrite(role);
    role.addToPolicy(
      new iam.PolicyStatement({
        actions: ['ssm:GetParameter', 'ssm:PutParameter'],
        resources: [this.parameter.parameterArn],
      }),
    );
    role.addToPolicy(
      new iam.PolicyStatement({
        actions: ['cloudformation:DescribeStacks'],
        resources: [Stack.of(this).stackId],
      }),
    );
    this.function = new lambda.Function(this, 'Function', {
      description: 'Asks the release controller whether a stack update may go on',
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: lambda.Architecture.ARM_64,
      code: lambda.Code.fromAsset(CONTROLLER_BUNDLE),
      handler: 'checkpoint.handler',
      memorySize: 256,
      timeout: Duration.minutes(1),
      role,
      logGroup,
      environment: environmentOf(CONTROLLER_VARIABLES, { updateParameter: this.parameter.parameterName }),
    });
    // Without its permissions it could not answer, and CloudFormation would wait for an hour.
    this.function.node.addDependency(role);
    const hold = this.#ask('Hold', 'hold', canary.taskDefinition.taskDefinitionArn);
    const verdict = this.#ask('Verdict', 'verdict', canary.taskDefinition.taskDefinitionArn);
    canary.service.node.addDependency(hold);
    verdict.node.addDependency(canary.service);
    stable.service.node.addDependency(verdict);
  }

  #ask(id: string, step: 'hold' | 'verdict', taskDefinitionArn: string): CustomResource {
    return new CustomResource(this, id, {
      serviceToken: this.function.functionArn,
      serviceTimeout: Duration.hours(1),
      resourceType: `Custom::Canary${id}`,
      // Whatever changes the tasks makes another revision, and CloudFormation asks again.
      properties: { Step: step, TaskDefinition: taskDefinitionArn },
    });
  }
}
