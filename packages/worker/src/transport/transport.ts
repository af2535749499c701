import { classOf, textOf } from '../errors.ts';

/** A message attribute, as SQS's own APIs shape it. */
export interface MessageAttribute {
  readonly DataType: string | undefined;
  readonly StringValue?: string | undefined;
  readonly BinaryValue?: Uint8Array | undefined;
}

/** A received message, as SQS's own APIs shape it. */
export interface SqsMessage {
  readonly MessageId?: string | undefined;
  readonly ReceiptHandle?: string | undefined;
  readonly Body?: string | undefined;
  readonly Attributes?: Readonly<Record<string, string | undefined>> | undefined;
  readonly MessageAttributes?: Readonly<Record<string, MessageAttribute>> | undefined;
}

export interface ReceiveMessageInput {
  readonly QueueUrl: string;
  readonly MaxNumberOfMessages: number;
  readonly WaitTimeSeconds: number;
  readonly VisibilityTimeout: number;
  readonly MessageSystemAttributeNames: readonly string[];
  readonly MessageAttributeNames: readonly string[];
}

export interface ReceiveMessageOutput {
  readonly Messages?: readonly SqsMessage[] | undefined;
}

export interface DeleteEntry {
  readonly Id: string;
  readonly ReceiptHandle: string;
}

export interface VisibilityEntry extends DeleteEntry {
  readonly VisibilityTimeout: number;
}

export interface BatchInput<E> {
  readonly QueueUrl: string;
  readonly Entries: readonly E[];
}

/** An entry of a batch that SQS refused while it answered the call itself with success. */
export interface FailedEntry {
  readonly Id?: string | undefined;
  readonly Code?: string | undefined;
  readonly Message?: string | undefined;
  /** True when trying again cannot help. */
  readonly SenderFault?: boolean | undefined;
}

export interface BatchOutput {
  readonly Successful?: readonly { readonly Id?: string | undefined }[] | undefined;
  readonly Failed?: readonly FailedEntry[] | undefined;
}

export interface SendMessageInput {
  readonly QueueUrl: string;
  readonly MessageBody: string;
  readonly MessageAttributes?: Readonly<Record<string, MessageAttribute>> | undefined;
  readonly MessageGroupId?: string | undefined;
  readonly MessageDeduplicationId?: string | undefined;
}

export interface SendMessageOutput {
  readonly MessageId?: string | undefined;
}

/**
 * The four operations of SQS that a worker needs, in SQS's own shapes. Each makes one attempt and rejects with
 * an {@link SqsFault}: pacing the retries is the worker's part, because only it knows what a lease is worth.
 */
export interface Transport {
  /** `signal` abandons a long poll; messages that are on their way then stay hidden for their visibility. */
  receiveMessage(input: ReceiveMessageInput, signal?: AbortSignal): Promise<ReceiveMessageOutput>;
  deleteMessageBatch(input: BatchInput<DeleteEntry>): Promise<BatchOutput>;
  changeMessageVisibilityBatch(input: BatchInput<VisibilityEntry>): Promise<BatchOutput>;
  sendMessage(input: SendMessageInput): Promise<SendMessageOutput>;
  /** SQS's clock minus the worker's, milliseconds, by the latest reply; 0 until one shows a difference. Ages are measured with it. */
  readonly clockOffsetMs: number;
  /** Closes connections. */
  close(): void;
}

/** The kind of failure that a call to SQS met. */
export type FaultKind =
  /** SQS asked to slow down. */
  | 'throttled'
  /** SQS answered with a 5xx. */
  | 'unavailable'
  /** No answer: connection, name or time. The call may have had its effect. */
  | 'network'
  /** Credentials or permissions. */
  | 'denied'
  /** SQS understood and refused: a queue that does not exist, an invalid parameter. */
  | 'rejected';

/** A call to SQS that failed as a whole. */
export class SqsFault extends Error {
  override readonly name = 'SqsFault';
  /** SQS's error code, or Node's for a connection that failed. */
  readonly code: string;
  readonly kind: FaultKind;
  /** HTTP status, where there was an answer. */
  readonly status: number | undefined;

  constructor(code: string, message: string, status?: number) {
    super(message);
    this.code = code;
    this.status = status;
    this.kind = kindOf(code, status);
  }
}

const THROTTLED = /Throttl|TooManyRequests|SlowDown|RequestLimitExceeded|OverLimit/i;
const DENIED =
  /AccessDenied|NotAuthorized|Unauthorized|UnrecognizedClient|InvalidClientTokenId|ExpiredToken|InvalidSecurity|SignatureDoesNotMatch|InvalidSignature|MissingAuthenticationToken|IncompleteSignature|OptInRequired|RequestExpired|InvalidAccessKeyId|CredentialsProviderError|KmsAccessDenied/i;

function kindOf(code: string, status: number | undefined): FaultKind {
  if (THROTTLED.test(code) || status === 429) return 'throttled';
  if (DENIED.test(code) || status === 401) return 'denied';
  if (status === undefined) return 'network';
  return status >= 500 ? 'unavailable' : status === 403 ? 'denied' : 'rejected';
}

/** Whom a failure speaks against: the version that runs, its infrastructure, or nobody. */
export type Attribution = 'version' | 'infrastructure' | 'neutral';

/**
 * Whom a failed call speaks against. Missing permissions and refused requests come with a version (its role,
 * its requests); throttling, 5xx and silence come from outside. The judge has the last word, since trouble of
 * the infrastructure that meets one track only is the version's after all.
 */
export function attributionOf(fault: SqsFault): Attribution {
  return fault.kind === 'denied' || fault.kind === 'rejected' ? 'version' : 'infrastructure';
}

/** The fault that a transport raised; anything else that was thrown counts as a call without an answer. */
export function asFault(error: unknown): SqsFault {
  return error instanceof SqsFault ? error : new SqsFault(classOf(error), textOf(error));
}
