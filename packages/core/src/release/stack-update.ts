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

export type StackUpdateResult =
  | { readonly ok: true; readonly update?: StackUpdate }
  | { readonly ok: false; readonly problem: string };

/** The stack update that its parameter's text holds, `{}` for none, or what is wrong with it. */
export function parseStackUpdate(text: string): StackUpdateResult {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return { ok: false, problem: 'it is not JSON' };
  }
  if (typeof document !== 'object' || document === null) return { ok: false, problem: 'it is no object' };
  const fields = document as Partial<Record<keyof StackUpdate, unknown>>;
  if (Object.keys(fields).length === 0) return { ok: true };
  const missing = required.filter((field) => typeof fields[field] !== 'string');
  if (missing.length > 0) return { ok: false, problem: `${missing.join(', ')} is missing` };
  if (fields.step !== 'hold' && fields.step !== 'verdict') {
    return { ok: false, problem: `its step cannot be ${JSON.stringify(fields.step)}` };
  }
  return { ok: true, update: document as StackUpdate };
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

/** The stack update as its parameter's text. */
export function formatStackUpdate(update: StackUpdate | undefined): string {
  return JSON.stringify(update ?? {});
}
