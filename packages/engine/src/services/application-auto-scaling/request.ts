import { AwsFault } from '../../errors.ts';

const PAGE_MAX = 50;

export const NAMESPACE = 'ecs';

export const DIMENSION = 'ecs:service:DesiredCount';

export interface TargetKey {
  readonly ServiceNamespace?: string | undefined;
  readonly ResourceId?: string | undefined;
  readonly ScalableDimension?: string | undefined;
}

export function resourceOf({ ServiceNamespace, ResourceId, ScalableDimension }: TargetKey): string {
  requireNamespace(ServiceNamespace);
  if (ScalableDimension !== undefined && ScalableDimension !== DIMENSION) {
    throw invalid(`the local engine scales ${DIMENSION} only, not ${ScalableDimension}`);
  }
  if (!/^service\/[^/]+\/[^/]+$/.test(ResourceId ?? '')) {
    throw invalid(`Unsupported resource ID ${ResourceId}: an ECS service is service/<cluster>/<service>.`);
  }
  return ResourceId!;
}

export function requireNamespace(namespace: string | undefined): void {
  if (namespace !== NAMESPACE) {
    throw invalid(`the local engine scales services of the namespace ${NAMESPACE} only, not ${namespace}`);
  }
}

export function invalid(message: string): AwsFault {
  return new AwsFault('ValidationException', message);
}

export function page<T>(
  all: readonly T[],
  { NextToken, MaxResults }: { NextToken?: string | undefined; MaxResults?: number | undefined },
): { items: T[]; NextToken: string | undefined } {
  const from = NextToken === undefined ? 0 : Number(NextToken);
  if (!Number.isInteger(from) || from < 0) {
    throw new AwsFault('InvalidNextTokenException', 'The next token supplied was invalid.');
  }
  const end = from + Math.min(Math.max(MaxResults ?? PAGE_MAX, 1), PAGE_MAX);
  return { items: all.slice(from, end), NextToken: end < all.length ? String(end) : undefined };
}

export const conditions = (key: TargetKey) => ({
  'application-autoscaling:service-namespace': key.ServiceNamespace ?? '',
  'application-autoscaling:scalable-dimension': key.ScalableDimension ?? DIMENSION,
});
