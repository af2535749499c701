/**
 * What a kind of policy document may and must contain. IAM's grammar is one; each place that takes a document narrows
 * it.
 *
 * Sources: IAM User Guide, "Grammar of the IAM JSON policy language", "IAM and AWS STS quotas"; the developer guides
 * and quotas of SQS, SNS, S3, ECR and Lambda.
 */
export interface PolicyRules {
  readonly principal: 'required' | 'forbidden';
  /** Whether `NotPrincipal` may stand for it. */
  readonly notPrincipal: boolean;
  readonly resource: 'required' | 'optional' | 'forbidden';
  /** The only version that is taken. @default - either, and none stands for 2008-10-17 */
  readonly version?: string;
  /** Whether the document may have an `Id`. */
  readonly id: boolean;
  readonly sid?: RegExp;
  readonly uniqueSids: boolean;
  /** Whether there may be no statement: what is left of a topic's policy when its last permission is removed. */
  readonly mayBeEmpty?: boolean;
  /** Which actions a statement may name, in lower case. */
  readonly actions?: { readonly allowed: RegExp; readonly refusal: string };
  readonly maxBytes?: number;
  readonly maxStatements?: number;
  readonly maxPrincipals?: number;
}

const IAM_SID = /^[0-9A-Za-z]*$/;
const identity = {
  principal: 'forbidden',
  notPrincipal: false,
  resource: 'required',
  id: false,
  sid: IAM_SID,
  uniqueSids: true,
} as const satisfies PolicyRules;
const ofService = (prefix: string): PolicyRules => ({
  principal: 'required',
  notPrincipal: true,
  resource: 'required',
  id: true,
  uniqueSids: true,
  actions: {
    allowed: new RegExp(`^(\\*|${prefix}:.+)$`),
    refusal: 'Policy statement action out of service scope!',
  },
});

const KINDS = {
  /** An inline policy of a role. */
  identity,
  /** A managed policy, as permissions or as a boundary. */
  managed: { ...identity, version: '2012-10-17' },
  /** What a caller passes to `AssumeRole`. */
  session: identity,
  trust: {
    principal: 'required',
    notPrincipal: false,
    resource: 'forbidden',
    id: true,
    sid: IAM_SID,
    uniqueSids: true,
    actions: {
      allowed: /^sts:(assumerole.*|tagsession|setsourceidentity|setcontext)$/,
      refusal: 'AssumeRole policy may only specify STS AssumeRole actions.',
    },
  },
  sqs: { ...ofService('sqs'), maxBytes: 8_192, maxStatements: 20, maxPrincipals: 50 },
  sns: { ...ofService('sns'), maxBytes: 30_720 },
  s3: { ...ofService('s3'), uniqueSids: false, maxBytes: 20_480 },
  ecr: { ...ofService('ecr'), resource: 'forbidden', maxBytes: 10_240 },
  lambda: ofService('lambda'),
  logs: { ...ofService('logs'), maxBytes: 5_120 },
  /** The policy of any resource, once its service has taken it. */
  resource: {
    principal: 'required',
    notPrincipal: true,
    resource: 'optional',
    id: true,
    uniqueSids: false,
    mayBeEmpty: true,
  },
} as const satisfies Record<string, PolicyRules>;

export type PolicyKind = keyof typeof KINDS;

export function rulesOf(kind: PolicyKind): PolicyRules {
  return KINDS[kind];
}

/** The size that IAM counts: characters that are not white space. */
export function iamSize(document: string): number {
  return document.replace(/\s/g, '').length;
}
