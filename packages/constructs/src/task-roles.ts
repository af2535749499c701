import * as iam from 'aws-cdk-lib/aws-iam';
import { DependencyGroup } from 'constructs';

/** The task roles of both services as one principal: what one may, the other may, so that the judge compares versions. */
export class TaskRoles implements iam.IPrincipal {
  readonly grantPrincipal: iam.IPrincipal = this;
  readonly assumeRoleAction: string;
  readonly policyFragment: iam.PrincipalPolicyFragment;
  readonly #roles: readonly iam.Role[];

  constructor(roles: readonly iam.Role[]) {
    this.#roles = roles;
    this.assumeRoleAction = 'sts:AssumeRole';
    this.policyFragment = new iam.PrincipalPolicyFragment({ AWS: roles.map(({ roleArn }) => roleArn) });
  }

  addToPolicy(statement: iam.PolicyStatement): boolean {
    return this.addToPrincipalPolicy(statement).statementAdded;
  }

  addToPrincipalPolicy(statement: iam.PolicyStatement): iam.AddToPrincipalPolicyResult {
    const results = this.#roles.map((role) => role.addToPrincipalPolicy(statement));
    const policyDependable = new DependencyGroup();
    for (const result of results) if (result.policyDependable) policyDependable.add(result.policyDependable);
    return { statementAdded: results.every(({ statementAdded }) => statementAdded), policyDependable };
  }
}
