import type { LoggingConfig } from '@aws-sdk/client-lambda';
import { AwsFault } from '../../errors.ts';
import type { LogSettings } from '../../runtime/lambda/function-log.ts';

/** What a function is to log, with Lambda's default levels for JSON. Levels without JSON are refused, as on AWS. */
export function checkedLogging(config: LoggingConfig): LoggingConfig {
  if (config.LogFormat === 'JSON') return { ApplicationLogLevel: 'INFO', SystemLogLevel: 'INFO', ...config };
  if (config.ApplicationLogLevel === undefined && config.SystemLogLevel === undefined) return config;
  throw new AwsFault(
    'InvalidParameterValueException',
    'LoggingConfig: a log level goes with LogFormat JSON only.',
  );
}

export function loggingOf(config: LoggingConfig): LogSettings {
  if (config.LogFormat !== 'JSON') return { format: 'Text' };
  return {
    format: 'JSON',
    applicationLevel: config.ApplicationLogLevel ?? 'INFO',
    systemLevel: config.SystemLogLevel ?? 'INFO',
  };
}
