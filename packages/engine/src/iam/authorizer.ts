import type { Principal } from './principal.ts';
import type { RequestTags } from './tags.ts';

/** The engine listens nowhere else. */
export const LOOPBACK = '127.0.0.1';

/** Where a call from outside came from. A call that a service makes has none. */
export interface Origin {
  readonly sourceIp: string;
  readonly userAgent?: string | undefined;
}

/** A request for permission. All actions must be allowed on all resources. */
export interface AuthorizationRequest {
  readonly principal: Principal;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly accessDeniedCode: string;
  /** Keys of the operation. */
  readonly conditions?: Readonly<Record<string, string | string[]>>;
  readonly origin?: Origin | undefined;
  readonly requestTags?: () => RequestTags;
  readonly passesRoles?: ReadonlyArray<{ roleArn: string; service: string }>;
  /** The policy attached to a resource, as JSON, if it has one. */
  readonly resourcePolicy?: (resourceArn: string) => string | undefined;
  /** Where the resources are roles to be assumed: a role's trust policy, as JSON. */
  readonly trustPolicy?: ((roleArn: string) => string | undefined) | undefined;
  readonly resourceTags?: ((resourceArn: string) => Readonly<Record<string, string>> | undefined) | undefined;
}

/** Decides whether a call may be made; throws an `AwsFault` with the service's access-denied code if not. */
export interface Authorizer {
  authorize(request: AuthorizationRequest): void;
}
