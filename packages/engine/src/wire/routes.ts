import { AwsFault } from '../errors.ts';
import type { OperationModel, ServiceModel } from '../sdk/model.ts';
import type { ServiceName } from '../sdk/services.ts';
import type { WireRequest } from './protocols.ts';
import { percentDecoded } from './request-target.ts';

interface Route {
  readonly model: OperationModel;
  readonly method: string;
  readonly segments: readonly string[];
  readonly query: ReadonlyArray<[string, string]>;
  /** Headers and query parameters without which the route does not apply. */
  readonly requiredHeaders: readonly string[];
  readonly requiredQuery: readonly string[];
  /** Whether the body is taken as it is, and is no document. */
  readonly takesBytes: boolean;
}

const routeCache = new Map<ServiceName, Route[]>();

/** Finds the operation of a REST request. S3 paths carry the bucket as their first segment. */
export function route(
  name: ServiceName,
  service: ServiceModel,
  request: WireRequest,
): { model: OperationModel; labels: Record<string, string>; takesBytes: boolean } | undefined {
  let routes = routeCache.get(name);
  if (!routes) {
    routes = compileRoutes(name, service);
    routeCache.set(name, routes);
  }
  const path = request.path.replace(/^\//, '').replace(/\/$/, '');
  const segments = path === '' ? [] : path.split('/');
  for (const candidate of routes) {
    const labels = match(candidate, segments, request);
    if (labels) return { model: candidate.model, labels, takesBytes: candidate.takesBytes };
  }
  return undefined;
}

function compileRoutes(name: ServiceName, service: ServiceModel): Route[] {
  const routes: Route[] = [];
  for (const model of service.operations.values()) {
    if (!model.http) continue;
    const [method, uri] = model.http;
    const [path = '', query = ''] = uri.split('?');

    const bucket = name === 's3' && model.input.members.has('Bucket') ? ['{Bucket}'] : [];
    const own = path.replace(/^\//, '').replace(/\/$/, '');
    const segments = [...bucket, ...(own === '' ? [] : own.split('/'))];
    const required = model.input.required.map((member) => model.input.members.get(member)!);
    routes.push({
      model,
      method,
      segments,
      query: [...new URLSearchParams(query)],
      requiredHeaders: required.flatMap(({ traits }) => traits.httpHeader?.toLowerCase() ?? []),
      requiredQuery: required.flatMap(({ traits }) => traits.httpQuery ?? []),
      takesBytes: [...model.input.members.values()].some(
        ({ kind, traits }) => kind === 'blob' && traits.httpPayload !== undefined,
      ),
    });
  }
  const specificity = (candidate: Route) =>
    candidate.query.filter(([key]) => key !== 'x-id').length * 100 +
    candidate.requiredQuery.length * 100 +
    candidate.requiredHeaders.length * 10 +
    candidate.segments.filter((segment) => !segment.startsWith('{')).length * 5 +
    candidate.segments.length;
  return routes.sort((a, b) => specificity(b) - specificity(a));
}

function match(
  candidate: Route,
  segments: string[],
  request: WireRequest,
): Record<string, string> | undefined {
  if (candidate.method !== request.method) return undefined;
  for (const [key, value] of candidate.query) {
    const actual = request.query.get(key);
    if (
      key === 'x-id'
        ? actual !== null && actual !== value
        : actual === null || (value !== '' && actual !== value)
    ) {
      return undefined;
    }
  }
  if (candidate.requiredHeaders.some((header) => request.headers[header] === undefined)) return undefined;
  if (candidate.requiredQuery.some((parameter) => !request.query.has(parameter))) return undefined;
  const labels: Record<string, string> = {};
  for (const [index, segment] of candidate.segments.entries()) {
    if (segment.startsWith('{') && segment.endsWith('+}')) {
      const rest = segments.slice(index);
      if (rest.length === 0 || rest.join('/') === '') return undefined;
      labels[segment.slice(1, -2)] = decodeLabel(rest.join('/'));
      return labels;
    }
    const actual = segments[index];
    if (actual === undefined || actual === '') return undefined;
    if (segment.startsWith('{')) labels[segment.slice(1, -1)] = decodeLabel(actual);
    else if (segment !== actual) return undefined;
  }
  return segments.length === candidate.segments.length ? labels : undefined;
}

function decodeLabel(text: string): string {
  const decoded = percentDecoded(text);
  if (decoded === undefined) throw new AwsFault('InvalidURI', "Couldn't parse the specified URI.");
  return decoded;
}
