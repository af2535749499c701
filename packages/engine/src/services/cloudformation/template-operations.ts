import type { StackManager } from '../../cloudformation/stack-manager.ts';
import { parseTemplate, type Template } from '../../cloudformation/template.ts';
import { validateTemplate } from '../../cloudformation/validation.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { onStack, readTemplate } from './request.ts';

/** Operations on templates: of a stack, or given in the call. */
export function templateOperations(engine: Engine, manager: StackManager): OperationTable<'cloudformation'> {
  const { resources } = onStack(engine, manager);
  return {
    GetTemplate: {
      resources,
      run: (input) => {
        const changeSet = input.ChangeSetName;
        if (changeSet !== undefined) {
          const stack = input.StackName === undefined ? undefined : manager.stack(input.StackName);
          const found = [...manager.store.changeSets.values()].find(
            (candidate) =>
              candidate.id === changeSet || (candidate.name === changeSet && candidate.stackId === stack?.id),
          );
          if (!found) throw new AwsFault('ChangeSetNotFound', `ChangeSet [${changeSet}] does not exist`, 404);
          return { TemplateBody: found.template, StagesAvailable: ['Original', 'Processed'] };
        }
        const stack = manager.stack(input.StackName);
        return {
          TemplateBody: stack.status === 'REVIEW_IN_PROGRESS' ? '' : stack.template,
          StagesAvailable: ['Original', 'Processed'],
        };
      },
    },
    GetTemplateSummary: {
      resources,
      run: async (input, { principal }) => {
        const existing = input.StackName === undefined ? undefined : manager.stack(input.StackName);
        const body = await readTemplate(
          engine,
          existing ? { UsePreviousTemplate: true } : input,
          existing,
          principal,
        );
        const template = parseTemplate(body);
        return {
          Parameters: Object.entries(template.Parameters).map(([key, parameter]) => ({
            ParameterKey: key,
            ParameterType: parameter.Type,
            DefaultValue: parameter.Default === undefined ? undefined : String(parameter.Default),
            NoEcho: parameter.NoEcho ?? false,
            Description: parameter.Description,
            ParameterConstraints: { AllowedValues: parameter.AllowedValues?.map(String) ?? [] },
          })),
          Description: template.Description,
          Metadata: template.Metadata === undefined ? undefined : JSON.stringify(template.Metadata),
          ...needed(template),
          ResourceTypes: [...new Set(Object.values(template.Resources).map(({ Type }) => Type))],
          ResourceIdentifierSummaries: [],
        };
      },
    },
    ValidateTemplate: {
      run: async (input, { principal }) => {
        const template = parseTemplate(await readTemplate(engine, input, undefined, principal));
        validateTemplate(template, manager.typeOf);
        return {
          Parameters: Object.entries(template.Parameters).map(([key, parameter]) => ({
            ParameterKey: key,
            DefaultValue: parameter.Default === undefined ? undefined : String(parameter.Default),
            NoEcho: parameter.NoEcho ?? false,
            Description: parameter.Description,
          })),
          Description: template.Description,
          ...needed(template),
        };
      },
    },
  };
}

function needed(template: Template) {
  const logicalIds = Object.entries(template.Resources)
    .filter(([, { Type }]) => Type.startsWith('AWS::IAM::'))
    .map(([logicalId]) => logicalId);
  if (logicalIds.length === 0) return {};
  return {
    Capabilities: ['CAPABILITY_IAM' as const],
    CapabilitiesReason: `The following resource(s) require capabilities: [${logicalIds.join(', ')}]`,
  };
}
