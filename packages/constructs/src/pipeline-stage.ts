import type * as codepipeline from 'aws-cdk-lib/aws-codepipeline';
import type * as iam from 'aws-cdk-lib/aws-iam';

export type Stage = codepipeline.CfnPipeline.StageDeclarationProperty;

/** An action of AWS's own. */
export interface Action {
  readonly name: string;
  readonly category: string;
  readonly provider: string;
  readonly configuration: Readonly<Record<string, string | boolean>>;
  readonly inputs?: string[];
  readonly outputs?: string[];
  /** Under which later actions find what this one reports. */
  readonly namespace?: string;
  readonly role: iam.Role;
}

/** A stage whose actions run one after the other. */
export function stage(name: string, ...actions: Action[]): Stage {
  const artifacts = (names: string[] = []) => names.map((artifact) => ({ name: artifact }));
  return {
    name,
    actions: actions.map((action, index) => ({
      name: action.name,
      actionTypeId: { category: action.category, owner: 'AWS', provider: action.provider, version: '1' },
      configuration: action.configuration,
      inputArtifacts: artifacts(action.inputs),
      outputArtifacts: artifacts(action.outputs),
      ...(action.namespace === undefined ? {} : { namespace: action.namespace }),
      roleArn: action.role.roleArn,
      runOrder: index + 1,
    })),
  };
}
