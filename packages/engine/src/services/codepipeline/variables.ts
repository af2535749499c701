import type { PipelineDeclaration } from '@aws-sdk/client-codepipeline';
import { AwsFault } from '../../errors.ts';

const REFERENCE = /#\{([A-Za-z0-9@_-]+)\.([A-Za-z0-9@_-]+)\}/g;

/** Values by namespace: `codepipeline`, `variables`, and the namespace of each action. */
export type Namespaces = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** A configuration refers to a variable that nothing has set. */
export class UnresolvedVariable extends Error {
  constructor(reference: string) {
    super(
      `The variable reference ${reference} cannot be resolved: no action that has run in this execution set it.`,
    );
    this.name = 'UnresolvedVariable';
  }
}

/** The configuration with every `#{namespace.variable}` replaced; an unknown one is an {@link UnresolvedVariable}. */
export function resolveVariables(
  configuration: Readonly<Record<string, string>>,
  namespaces: Namespaces,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(configuration).map(([key, text]) => [
      key,
      text.replace(REFERENCE, (reference: string, namespace: string, name: string) => {
        const value = namespaces[namespace]?.[name];
        if (value === undefined) throw new UnresolvedVariable(reference);
        return value;
      }),
    ]),
  );
}

/** Values of a pipeline's variables for one execution: those given, and the defaults of the others. */
export function pipelineVariables(
  pipeline: PipelineDeclaration,
  given: ReadonlyArray<{ name?: string | undefined; value?: string | undefined }>,
): Record<string, string> {
  const declared = pipeline.variables ?? [];
  for (const { name } of given) {
    if (!declared.some((variable) => variable.name === name)) {
      throw new AwsFault('ValidationException', `The pipeline declares no variable ${name}.`);
    }
  }
  const values: Record<string, string> = {};
  for (const { name, defaultValue } of declared) {
    const value = given.find((variable) => variable.name === name)?.value ?? defaultValue;
    if (value === undefined) {
      throw new AwsFault('ValidationException', `The variable ${name} has no default: give it a value.`);
    }
    values[name ?? ''] = value;
  }
  return values;
}
