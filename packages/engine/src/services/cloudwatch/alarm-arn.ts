import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';

export function alarmArn({ region, accountId }: Pick<Engine, 'region' | 'accountId'>, name: string): string {
  return `arn:aws:cloudwatch:${region}:${accountId}:alarm:${name}`;
}

export function alarmNameOf(arn: string | undefined): string {
  const match = /^arn:aws:cloudwatch:[^:]*:\d*:alarm:(.+)$/.exec(arn ?? '');
  if (!match) throw new AwsFault('InvalidParameterValueException', `${arn} is not the ARN of an alarm.`);
  return match[1]!;
}
