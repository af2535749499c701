import { type Access, readAccess } from '@queue-canary/engine';

/** What the roles of the deployed stacks may do, did and were refused, as lines of text or as one JSON document. */
export function iam({ state, json }: { readonly state: string; readonly json?: boolean }): string[] {
  const access = readAccess(state);
  return json ? [JSON.stringify(access, null, 2)] : describe(access);
}

function describe({ roles, denied }: Access): string[] {
  const lines = roles.flatMap(({ logicalId, grants }) => {
    const unused = grants.filter(({ used }) => !used);
    return [
      `${logicalId}: ${grants.length - unused.length} of ${grants.length} grants used`,
      ...unused.map(({ action, resource }) => `  never used  ${action}  ${resource}`),
    ];
  });
  return [
    ...(roles.length === 0 ? ['no stack with roles is deployed'] : lines),
    ...(denied.length === 0 ? ['nothing was refused'] : ['refused:']),
    ...denied.map(({ principal, action, resource }) => `  ${principal}  ${action}  ${resource}`),
  ];
}
