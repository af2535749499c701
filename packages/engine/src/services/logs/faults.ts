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

/** @param instead what the caller can do */
export function unsupported(what: string, instead = 'leave it out'): AwsFault {
  return invalid(`The local engine does not support ${what}: ${instead}.`);
}
