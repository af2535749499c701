import type { Principal } from '../dispatch/service.ts';

/** A request for permission. All actions must be allowed on all resources. */
export interface AuthorizationRequest {
  readonly principal: Principal;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly conditions: Readonly<Record<string, string | string[]>>;
  readonly passesRoles: ReadonlyArray<{ roleArn: string; service: string }>;
  /** The policy attached to a resource, as JSON, if it has one. */
  readonly resourcePolicy: (resourceArn: string) => string | undefined;
  readonly accessDeniedCode: string;
}

/** Decides whether a call may be made; throws an `AwsFault` with the service's access-denied code if not. */
export interface Authorizer {
  authorize(request: AuthorizationRequest): void;
}
