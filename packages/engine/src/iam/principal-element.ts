/** The `Principal` element of a statement. */
export type PrincipalElement = '*' | Readonly<Record<string, string | readonly string[]>>;

/** Who makes a request, by all the names that a policy may give. */
export interface Caller {
  /** ARN of the principal itself: of the role session and not of the role. */
  readonly arn: string;
  readonly accountId: string;
  readonly role?: { readonly arn: string; readonly id: string | undefined };
  /** Principal of a service, such as `events.amazonaws.com`, for a call that it makes itself. */
  readonly service?: string;
  readonly bounded?: boolean;
}

/**
 * How a statement names a caller. What is granted to the principal itself needs no other policy; what is granted
 * to its role is still bounded as the role is; what is granted to its account lets the account's own policies decide.
 *
 * Source: IAM User Guide, "Determining whether a request is allowed or denied within an account" and
 * "AWS JSON policy elements: Principal". `*` counts as the principal itself.
 */
export type Naming = 'itself' | 'role' | 'account';

/** The closest way in which the element names the caller, if it does. */
export function naming(element: PrincipalElement, caller: Caller): Naming | undefined {
  if (element === '*') return 'itself';
  const named = (kind: string) => (Object.hasOwn(element, kind) ? [element[kind]!].flat() : []);
  const aws = named('AWS');
  if (aws.includes('*')) return 'itself';
  if (caller.service !== undefined) return named('Service').includes(caller.service) ? 'itself' : undefined;
  if (aws.includes(caller.arn)) return 'itself';
  if (caller.role && (aws.includes(caller.role.arn) || aws.includes(caller.role.id ?? ''))) return 'role';
  return accountNames(caller).some((name) => aws.includes(name)) ? 'account' : undefined;
}

/**
 * Whether `NotPrincipal` excepts the caller. IAM may look at the account, then the role, then the session, so all of
 * them must be listed; a principal with a permissions boundary is never excepted (IAM User Guide, "AWS JSON policy
 * elements: NotPrincipal").
 */
export function isExcepted(element: PrincipalElement, caller: Caller): boolean {
  if (element === '*') return true;
  if (caller.service !== undefined) return naming(element, caller) === 'itself';
  if (caller.bounded) return false;
  const aws = Object.hasOwn(element, 'AWS') ? [element.AWS!].flat() : [];
  const lists = (...names: string[]) => names.some((name) => aws.includes(name));
  return (
    lists('*') ||
    (lists(caller.arn) &&
      (caller.role === undefined || lists(caller.role.arn, caller.role.id ?? '')) &&
      lists(...accountNames(caller)))
  );
}

function accountNames({ accountId }: Caller): string[] {
  return [accountId, `arn:aws:iam::${accountId}:root`];
}

/** The parts of a principal that policies may name, apart from `*`. */
const FORMS: Readonly<Record<string, RegExp>> = {
  AWS: /^(\d{12}|arn:aws[a-z-]*:iam::\d{12}:(root|(user|role)\/[\w+=,.@/-]+)|arn:aws[a-z-]*:sts::\d{12}:(assumed-role\/[\w+=,.@-]+\/[\w+=,.@-]+|federated-user\/[\w+=,.@-]+)|A(ID|RO)A[A-Z0-9]{12,})$/,
  Service: /^[a-z0-9-]+(\.[a-z0-9-]+)*\.(amazonaws\.com(\.cn)?|amazon\.com)$/,
  Federated: /^(arn:aws[a-z-]*:iam::\d{12}:(saml|oidc)-provider\/\S+|[a-z0-9.-]+\.[a-z]+)$/,
  CanonicalUser: /^[0-9a-f]{64}$/,
};

/** What is known of the account's own roles, against which principals are checked. */
export interface Directory {
  readonly accountId: string;
  readonly hasRole: (arn: string) => boolean;
}

/**
 * The first principal of the element that does not exist, as IAM writes it: `"AWS":"arn:..."`. Roles of this account
 * must exist; it has no users. What another account has cannot be known here.
 */
export function invalidPrincipal(element: unknown, directory: Directory | undefined): string | undefined {
  if (element === '*') return undefined;
  if (typeof element !== 'object' || element === null || Array.isArray(element))
    return JSON.stringify(element);
  const entries = Object.entries(element as Record<string, unknown>);
  if (entries.length === 0) return '{}';
  for (const [kind, names] of entries) {
    const form = Object.hasOwn(FORMS, kind) ? FORMS[kind] : undefined;
    const list = [names].flat();
    if (form === undefined || list.length === 0) return `"${kind}":${JSON.stringify(names)}`;
    const wrong = list.find(
      (name) =>
        typeof name !== 'string' || !((name === '*' && kind === 'AWS') || exists(form, name, directory)),
    );
    if (wrong !== undefined) return `"${kind}":${JSON.stringify(wrong)}`;
  }
  return undefined;
}

function exists(form: RegExp, name: string, directory: Directory | undefined): boolean {
  if (!form.test(name)) return false;
  const [, account, kind] = /^arn:[^:]+:iam::(\d{12}):(user|role)\//.exec(name) ?? [];
  if (directory === undefined || account !== directory.accountId) return true;
  return kind === 'role' && directory.hasRole(name);
}
