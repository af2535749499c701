import { AwsFault } from '../../errors.ts';

export function invalid(message: string): AwsFault {
  return new AwsFault('InvalidParameterException', message);
}

export function groupNotFound(): AwsFault {
  return new AwsFault('ResourceNotFoundException', 'The specified log group does not exist.');
}

export function streamNotFound(): AwsFault {
  return new AwsFault('ResourceNotFoundException', 'The specified log stream does not exist.');
}

export function unsupported(field: string): AwsFault {
  return invalid(`The local engine does not support ${field}.`);
}
