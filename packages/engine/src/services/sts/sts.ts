import type { Engine, Service } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Identity } from '../../iam/identity.ts';
import type { PolicyAuthorizer } from '../../iam/policy-authorizer.ts';

/** AWS Security Token Service: who am I, and sessions of roles. */
export function createSts(engine: Engine, identity: Identity, authorizer: PolicyAuthorizer): Service<'sts'> {
  return {
    name: 'sts',
    operations: {
      GetCallerIdentity: {
        actions: () => [],
        run: (_input, { principal }) => {
          return {
            Account: engine.accountId,
            Arn: principal.arn,
            UserId: principal.roleArn ?? engine.accountId,
          };
        },
      },
      AssumeRole: {
        resources: (input) => [input.RoleArn ?? '*'],
        run: (input, { principal }) => {
          const role = authorizer.store.roles.get(input.RoleArn ?? '');
          if (!role || !authorizer.trusts(role, principal)) {
            throw new AwsFault(
              'AccessDenied',
              `User: ${principal.arn} is not authorized to perform: sts:AssumeRole on resource: ${input.RoleArn}`,
              403,
            );
          }
          const sessionName = input.RoleSessionName ?? 'session';
          const session = authorizer.session(role, sessionName, input.Policy);
          const credentials = identity.issue(session, (input.DurationSeconds ?? 3600) * 1000);
          return {
            Credentials: {
              AccessKeyId: credentials.accessKeyId,
              SecretAccessKey: credentials.secretAccessKey,
              SessionToken: credentials.sessionToken,
              Expiration: credentials.expiration,
            },
            AssumedRoleUser: { Arn: session.arn, AssumedRoleId: `${role.roleId}:${sessionName}` },
          };
        },
      },
    },
  };
}
