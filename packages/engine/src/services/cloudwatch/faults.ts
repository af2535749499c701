import { AwsFault } from '../../errors.ts';

export function invalid(message: string): AwsFault {
  return new AwsFault('ValidationError', message);
}
