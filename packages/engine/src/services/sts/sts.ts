import type { Engine, Service } from '../../dispatch/service.ts';
import type { Identity } from '../../iam/identity.ts';
import type { PolicyAuthorizer } from '../../iam/policy-authorizer.ts';
import { checkAssumeRole, sessionDetails, sessionSeconds } from './assume-role.ts';

/** AWS Security Token Service: who am I, and sessions of roles. */
export function createSts(engine: Engine, identity: Identity, authorizer: PolicyAuthorizer): Service<'sts'> {
  const { store } = authorizer;
  return {
    name: 'sts',
    trustPolicy: (arn) => store.roles.get(arn)?.trustPolicy,
    resourceTags: (arn) => store.roles.get(arn)?.tags,
    operations: {
      GetCallerIdentity: {
        actions: () => [],
        run: (_input, { principal }) => {
          return {
            Account: engine.accountId,
            Arn: principal.arn,
            UserId: principal.userId ?? engine.accountId,
          };
        },
      },
      AssumeRole: {
        actions: (input) => ['sts:AssumeRole', ...(input.Tags?.length ? ['sts:TagSession'] : [])],
        resources: (input) => {
          checkAssumeRole(input);
          return [input.RoleArn!];
        },
        conditions: (input) => ({
          ...(input.ExternalId === undefined ? {} : { 'sts:ExternalId': input.ExternalId }),
          'sts:RoleSessionName': input.RoleSessionName ?? '',
          ...(input.DurationSeconds === undefined
            ? {}
            : { 'sts:DurationSeconds': String(input.DurationSeconds) }),
        }),
        run: (input, { principal }) => {
          // Authorisation has found the role: nobody may assume one that is not there.
          const role = store.roles.get(input.RoleArn!)!;
          const seconds = sessionSeconds(input, role, principal);
          const sessionName = input.RoleSessionName!;
          const session = authorizer.session(role, sessionName, sessionDetails(input, store));
          const credentials = identity.issue(session, seconds * 1000);
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
