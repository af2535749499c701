import { type Enumerations, enumerationsOf } from './enumerations.ts';
import { SERVICES, type ServiceDescription, type ServiceName } from './services.ts';
import { type Shape, shapeOf } from './shapes.ts';

/** One operation with what its SDK schema says about it. */
export interface OperationModel {
  readonly service: ServiceName;
  readonly name: string;
  readonly input: Shape;
  readonly output: Shape;
  readonly http: readonly [method: string, path: string, status: number] | undefined;
}

/** A service's operations and modelled errors, read from the SDK package. */
export interface ServiceModel {
  readonly description: ServiceDescription;
  readonly operations: ReadonlyMap<string, OperationModel>;
  /** Traits of modelled errors by name: `error`, `httpError`, `awsQueryError`. */
  readonly errors: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  readonly enumerations: Enumerations;
}

/** Reads the model of a service from its SDK package, which is loaded for that. */
export async function loadModel(name: ServiceName): Promise<ServiceModel> {
  const description = SERVICES[name];
  const module = await description.load();
  const operations = new Map<string, OperationModel>();
  const errors = new Map<string, Record<string, unknown>>();
  for (const value of Object.values(module)) {
    if (!Array.isArray(value)) continue;
    const [kind, , itemName, traits] = value as [number, string, string, Record<string, unknown> | 0];
    if (kind === 9) {
      const http = traits ? (traits.http as OperationModel['http']) : undefined;
      operations.set(itemName, {
        service: name,
        name: itemName,
        input: shapeOf((value[4] as () => unknown)()),
        output: shapeOf((value[5] as () => unknown)()),
        http,
      });
    } else if (kind === -3) {
      errors.set(itemName, traits || {});
    }
  }
  return { description, operations, errors, enumerations: enumerationsOf(name, module) };
}
