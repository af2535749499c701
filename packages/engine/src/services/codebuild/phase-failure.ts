import { AwsFault, UserError } from '../../errors.ts';

/** A phase that failed, with CodeBuild's status code for it. */
export class PhaseFailure extends Error {
  readonly statusCode: string;

  constructor(statusCode: string, message: string) {
    super(message);
    this.name = 'PhaseFailure';
    this.statusCode = statusCode;
  }
}

export function explain(error: unknown): { statusCode: string; message: string } {
  if (error instanceof PhaseFailure) return { statusCode: error.statusCode, message: error.message };
  if (error instanceof UserError) {
    const buildspec = error.code === 'InvalidBuildspec';
    return { statusCode: buildspec ? 'YAML_FILE_ERROR' : 'CLIENT_ERROR', message: error.message };
  }
  if (error instanceof AwsFault) {
    const denied = /^(AccessDenied|Unauthorized)/.test(error.code);
    return { statusCode: denied ? 'ACCESS_DENIED' : 'CLIENT_ERROR', message: error.message };
  }
  return { statusCode: 'INTERNAL_SERVICE_ERROR', message: (error as Error).message };
}
