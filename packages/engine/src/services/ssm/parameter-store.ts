import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Table } from '../../state/state.ts';

export interface StoredParameter {
  readonly name: string;
  readonly type: 'String' | 'StringList' | 'SecureString';
  readonly value: string;
  readonly version: number;
  readonly description: string | undefined;
  readonly modifiedAtMs: number;
  /** Absent in parameters that were stored before these were kept. */
  readonly tier?: string;
  readonly dataType?: string;
  readonly allowedPattern?: string | undefined;
  readonly tags?: Readonly<Record<string, string>>;
}

/** A parameter in the version that was asked for, and the selector that asked. */
export interface FoundParameter {
  readonly parameter: StoredParameter;
  readonly selector?: string;
}

/** Parameters by name, with their earlier versions. */
export class ParameterStore {
  readonly parameters: Table<StoredParameter>;
  /** Versions before the latest, by `name:version`. */
  readonly earlier: Table<StoredParameter>;
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.parameters = engine.state.table('ssm.parameters');
    this.earlier = engine.state.table('ssm.versions');
  }

  nameOf(nameOrArn: string): string {
    const { name } = split(nameOrArn);
    return this.parameters.has(name) || !name.startsWith('/') || name.lastIndexOf('/') > 0
      ? name
      : name.slice(1);
  }

  arnOf(name: string): string {
    return `arn:aws:ssm:${this.#engine.region}:${this.#engine.accountId}:parameter${name.startsWith('/') ? '' : '/'}${name}`;
  }

  arnsOf(names: ReadonlyArray<string | undefined>): string[] {
    return names.map((name) => this.arnOf(this.nameOf(name ?? '')));
  }

  /** The parameter of that name, in the version that the name's selector asks for. */
  find(nameOrArn: string): FoundParameter {
    const { selector } = split(nameOrArn);
    const latest = this.parameters.get(this.nameOf(nameOrArn));
    if (!latest) throw new AwsFault('ParameterNotFound', `Parameter ${nameOrArn} not found.`);
    if (selector === undefined) return { parameter: latest };
    const parameter =
      selector === String(latest.version) ? latest : this.earlier.get(`${latest.name}:${selector}`);
    if (!parameter) {
      throw new AwsFault(
        'ParameterVersionNotFound',
        /^\d+$/.test(selector)
          ? `Systems Manager could not find version ${selector} of ${latest.name}.`
          : `Systems Manager could not find version ${selector} of ${latest.name}: the local engine does not support labels, only version numbers.`,
      );
    }
    return { parameter, selector };
  }

  /** The same, or nothing where AWS reports that there is none. */
  findIfAny(nameOrArn: string): FoundParameter | undefined {
    try {
      return this.find(nameOrArn);
    } catch (error) {
      if (error instanceof AwsFault && /^Parameter.*NotFound$/.test(error.code)) return undefined;
      throw error;
    }
  }

  /** The parameter whose tags an operation is about. */
  tagged(type: string | undefined, id: string | undefined): StoredParameter {
    const parameter = type === 'Parameter' ? this.parameters.get(this.nameOf(id ?? '')) : undefined;
    if (!parameter) {
      throw new AwsFault(
        'InvalidResourceId',
        `There is no ${type} ${id}: the local engine has parameters only.`,
      );
    }
    return parameter;
  }
}

function split(nameOrArn: string) {
  const match = /^arn:aws:ssm:[^:]*:[^:]*:parameter(\/?.*)$/.exec(nameOrArn);
  const [name = '', selector, ...more] = (match ? match[1]! : nameOrArn).split(':');
  if (more.length > 0) throw invalid(`The parameter name ${nameOrArn} has more than one selector.`);
  return { name, selector };
}

export function invalid(message: string): AwsFault {
  return new AwsFault('ValidationException', message);
}
