import { type Enumerations, enumerationsOf } from './enumerations.ts';
import { itemsOf, type Traits } from './schemas.ts';
import { SERVICES, type ServiceDescription, type ServiceName } from './services.ts';
import { type Shape, shapeOf } from './shapes.ts';

/** One operation with what its SDK schema says about it. */
export interface OperationModel {
  readonly service: ServiceName;
  readonly name: string;
  readonly input: Shape;
  readonly output: Shape;
  readonly http: Traits['http'];
}

/** A service's operations and modelled errors, read from the SDK package. */
export interface ServiceModel {
  readonly description: ServiceDescription;
  readonly operations: ReadonlyMap<string, OperationModel>;
  /** Traits of modelled errors by name. */
  readonly errors: ReadonlyMap<string, Traits>;
  readonly enumerations: Enumerations;
}

/** Reads the model of a service from its SDK package, which is loaded for that. */
export async function loadModel(name: ServiceName): Promise<ServiceModel> {
  const description = SERVICES[name];
  const module = await description.load();
  const operations = new Map<string, OperationModel>();
  const errors = new Map<string, Traits>();
  for (const item of itemsOf(module)) {
    const { name: itemName, traits } = item;
    if (item.kind === 'error') errors.set(itemName, traits);
    else {
      const { http } = traits;
      const [input, output] = [shapeOf(item.input), shapeOf(item.output)];
      operations.set(itemName, { service: name, name: itemName, input, output, http });
    }
  }
  return { description, operations, errors, enumerations: enumerationsOf(name, module) };
}
