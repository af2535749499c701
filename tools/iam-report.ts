import type { Access, Denial, RoleAccess } from '@queue-canary/engine';
import type { Reason } from './iam-reasons.ts';

/** What became of a role's grants over all runs. */
interface RoleReport {
  readonly role: string;
  readonly granted: number;
  readonly used: number;
  /** Never used, with the reason why it stays; without one it is a finding. */
  readonly unused: ReadonlyArray<{
    readonly action: string;
    readonly resource: string;
    readonly because?: string;
  }>;
}

export interface IamReport {
  readonly roles: readonly RoleReport[];
  readonly refused: ReadonlyArray<Denial & { readonly because?: string }>;
  /** Reasons for what no template grants or every grant of which is used by now: they are to be removed. */
  readonly idleReasons: readonly Reason[];
  readonly ok: boolean;
}

/** Puts the records of several runs together. A grant counts as used if it was in any of them. */
export function reportOf(
  runs: readonly Access[],
  unusedGrants: readonly Reason[],
  refusals: readonly Reason[],
): IamReport {
  const given = new Set<Reason>();
  const because = (reasons: readonly Reason[], who: string, action: string, resource: string) => {
    const reason = reasons.find(
      (each) =>
        each.who.test(who) && each.actions.includes(action) && (each.resource?.test(resource) ?? true),
    );
    if (reason === undefined) return {};
    given.add(reason);
    return { because: reason.because };
  };
  const roles = merged(runs.flatMap((run) => run.roles)).map(({ role, grants }): RoleReport => {
    const unused = [...grants.values()].filter(({ used }) => !used);
    return {
      role,
      granted: grants.size,
      used: grants.size - unused.length,
      unused: unused.map(({ action, resource }) => ({
        action,
        resource,
        ...because(unusedGrants, role, action, resource),
      })),
    };
  });
  const refused = [
    ...new Map(runs.flatMap(({ denied }) => denied).map((each) => [keyOf(each), each])).values(),
  ]
    .map((each) => ({ ...each, principal: nameOf(each.principal), resource: shortened(each.resource) }))
    .map((each) => ({ ...each, ...because(refusals, each.principal, each.action, each.resource) }));
  const unexplained = [...roles.flatMap(({ unused }) => unused), ...refused].filter(
    (each) => each.because === undefined,
  );
  return {
    roles,
    refused,
    idleReasons: [...unusedGrants, ...refusals].filter((reason) => !given.has(reason)),
    ok: roles.length > 0 && unexplained.length === 0,
  };
}

/** The report as lines of text. */
export function renderIamReport({ roles, refused, idleReasons, ok }: IamReport): string[] {
  const finding = (because: string | undefined) => because ?? 'NO REASON';
  return [
    ...roles.flatMap(({ role, granted, used, unused }) => [
      `${role}: ${used} of ${granted} grants used`,
      ...[...Map.groupBy(unused, ({ because }) => because)].flatMap(([because, grants]) => [
        ...grants.map(({ action, resource }) => `  never used: ${action} on ${resource}`),
        `    ${finding(because)}`,
      ]),
    ]),
    refused.length === 0 ? 'nothing was refused' : 'refused',
    ...refused.map(
      ({ principal, action, resource, because }) =>
        `  ${principal}: ${action} on ${resource}: ${finding(because)}`,
    ),
    ...idleReasons.map(
      ({ who, actions }) => `a reason that nothing needs in these runs: ${who.source} ${actions.join(', ')}`,
    ),
    ok
      ? 'every grant was used or has a reason, and nothing was refused without one'
      : 'remove the grants without a reason from the templates, or give one in tools/iam-reasons.ts; mend what was refused',
  ];
}

/** Grants of each role by logical id: every run deploys the stacks again, with other names. */
function merged(roles: readonly RoleAccess[]) {
  const byRole = new Map<string, Map<string, { action: string; resource: string; used: boolean }>>();
  for (const { logicalId, grants } of roles) {
    const role = nameOf(logicalId);
    const known = byRole.get(role) ?? new Map();
    byRole.set(role, known);
    for (const { action, resource: arn, used } of grants) {
      const resource = shortened(arn);
      const key = `${action} ${resource}`;
      known.set(key, { action, resource, used: used || known.get(key)?.used === true });
    }
  }
  return [...byRole].map(([role, grants]) => ({ role, grants }));
}

/** A logical id without the hash that CDK appends; other names as they are. */
function nameOf(logicalId: string): string {
  return logicalId.replace(/(?<=[A-Za-z])[0-9A-F]{8}$/, '');
}

/** A resource without what differs from run to run: region and account, generated suffixes, CDK's hashes. */
function shortened(arn: string): string {
  return arn
    .replace(/^arn:aws:([a-z0-9-]+):[^:]*:[^:]*:/, '$1:')
    .replaceAll(/([A-Za-z])[0-9A-Fa-f]{4,8}(?=-[A-Za-z0-9]{12}\b)/g, '$1')
    .replaceAll(/-[A-Z0-9a-z]{12}(?=$|[/:])/g, '');
}

function keyOf({ principal, action, resource }: Denial): string {
  return `${nameOf(principal)} ${action} ${shortened(resource)}`;
}
