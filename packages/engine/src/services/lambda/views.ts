import type { FunctionConfiguration } from '@aws-sdk/client-lambda';
import type { Engine } from '../../dispatch/service.ts';
import { functionArn } from './function-reference.ts';
import { type EventInvokeConfig, LATEST, type StoredFunction } from './store.ts';

/** `2026-01-31T12:00:00.000+0000`, as Lambda writes `LastModified`. */
function modified(atMs: number): string {
  return new Date(atMs).toISOString().replace('Z', '+0000');
}

/** The log group of a function. */
export function logGroupOf({ name, settings }: StoredFunction): string {
  return settings.loggingConfig.LogGroup ?? `/aws/lambda/${name}`;
}

/**
 * A function as Lambda shows it, by the name that the caller gave. Changes are in force when they are answered: there is no
 * pending state.
 */
export function shownFunction(
  engine: Engine,
  fn: StoredFunction,
  qualifier = fn.version === LATEST ? undefined : fn.version,
): FunctionConfiguration {
  const { settings, code } = fn;
  return {
    FunctionName: fn.name,
    FunctionArn: functionArn(engine, fn.name, qualifier),
    Runtime: settings.runtime,
    Role: settings.role,
    Handler: settings.handler,
    CodeSize: code.sizeBytes,
    CodeSha256: Buffer.from(code.sha256, 'hex').toString('base64'),
    Description: settings.description,
    Timeout: settings.timeoutSeconds,
    MemorySize: settings.memoryMiB,
    LastModified: modified(fn.modifiedAtMs),
    Version: fn.version,
    TracingConfig: { Mode: settings.tracingMode },
    RevisionId: fn.revisionId,
    ...(settings.vpc === undefined
      ? {}
      : {
          VpcConfig: {
            SubnetIds: [...settings.vpc.subnetIds],
            SecurityGroupIds: [...settings.vpc.securityGroupIds],
            VpcId: '',
          },
        }),
    State: 'Active',
    LastUpdateStatus: 'Successful',
    PackageType: 'Zip',
    Architectures: [...fn.architectures],
    EphemeralStorage: { Size: settings.ephemeralStorageMiB },
    SnapStart: { ApplyOn: 'None', OptimizationStatus: 'Off' },
    LoggingConfig: { LogFormat: 'Text', ...settings.loggingConfig, LogGroup: logGroupOf(fn) },
    ...(Object.keys(settings.variables).length > 0
      ? { Environment: { Variables: { ...settings.variables } } }
      : {}),
    ...(settings.deadLetterArn === undefined
      ? {}
      : { DeadLetterConfig: { TargetArn: settings.deadLetterArn } }),
  };
}

export function shownEventInvokeConfig(
  engine: Engine,
  name: string,
  qualifier: string,
  config: EventInvokeConfig,
) {
  return {
    FunctionArn: functionArn(engine, name, qualifier),
    LastModified: new Date(config.modifiedAtMs),
    MaximumRetryAttempts: config.maximumRetryAttempts,
    MaximumEventAgeInSeconds: config.maximumEventAgeSeconds,
    DestinationConfig: config.destinationConfig ?? { OnSuccess: {}, OnFailure: {} },
  };
}
