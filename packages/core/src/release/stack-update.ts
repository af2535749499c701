/**
 * What CloudFormation waits for in the middle of a stack update that changes the tasks of both services. A resource of
 * the stack asks twice: `hold` before the canary is changed, and `verdict` when it is steady, before stable is changed.
 */
export interface StackUpdate {
  readonly step: 'hold' | 'verdict';
  /** CloudFormation's own id of the question. */
  readonly requestId: string;
  readonly stackId: string;
  readonly logicalResourceId: string;
  readonly physicalResourceId: string;
  /** Takes the answer from whoever knows it: never log it. */
  readonly responseUrl: string;
  /** The canary's task definition as the update has it. */
  readonly taskDefinitionArn: string;
  /** ISO 8601. */
  readonly askedAt: string;
  /** ISO 8601; the canary is the update's from then on. */
  readonly answeredAt?: string;
}

/** A stack update that is under way, compared with the last good release. */
export interface SeenStackUpdate {
  readonly update: StackUpdate;
  /** Whether the update has another configuration than the last good release; the image does not count. */
  readonly changesConfiguration: boolean;
  /** Whether the canary's present configuration is another one. */
  readonly canaryIsChanged: boolean;
}

/** What the parameter of stack updates holds. */
export interface StackUpdates {
  /** The one that has asked for the canary. */
  readonly update?: StackUpdate;
  /** Ids of the last questions before: Lambda may hand one over again, which must not take a newer one's place. */
  readonly earlier: readonly string[];
}

export type StackUpdatesResult =
  | ({ readonly ok: true } & StackUpdates)
  | { readonly ok: false; readonly problem: string };

/** What a parameter's text says of stack updates, `{}` for nothing, or what is wrong with it. */
export function parseStackUpdates(text: string): StackUpdatesResult {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return { ok: false, problem: 'it is not JSON' };
  }
  if (typeof document !== 'object' || document === null) return { ok: false, problem: 'it is no object' };
  const { earlier: ids, ...fields } = document as Partial<Record<keyof StackUpdate | 'earlier', unknown>>;
  const earlier = Array.isArray(ids) ? ids.map(String) : [];
  if (Object.keys(fields).length === 0) return { ok: true, earlier };
  const missing = required.filter((field) => typeof fields[field] !== 'string');
  if (missing.length > 0) return { ok: false, problem: `${missing.join(', ')} is missing` };
  if (fields.step !== 'hold' && fields.step !== 'verdict') {
    return { ok: false, problem: `its step cannot be ${JSON.stringify(fields.step)}` };
  }
  return { ok: true, update: fields as StackUpdate, earlier };
}

const required = [
  'step',
  'requestId',
  'stackId',
  'logicalResourceId',
  'physicalResourceId',
  'responseUrl',
  'taskDefinitionArn',
  'askedAt',
] as const;

/** As many questions as come within the time in which Lambda keeps one. */
const EARLIER_MAX = 4;

/** Stack updates as their parameter's text. */
export function formatStackUpdates({ update, earlier }: StackUpdates): string {
  return JSON.stringify({ ...update, earlier: earlier.slice(-EARLIER_MAX) });
}

/** Puts another question in the place of the last one, or none. */
export function replaced({ update, earlier }: StackUpdates, next: StackUpdate | undefined): StackUpdates {
  if (update === undefined || update.requestId === next?.requestId)
    return { ...(next && { update: next }), earlier };
  return { ...(next && { update: next }), earlier: [...earlier, update.requestId] };
}
