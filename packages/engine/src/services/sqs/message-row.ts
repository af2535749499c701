/** A message as it lies in the database, with what is known of its deliveries. */
export type MessageRow = {
  /** Position in arrival order, unique in the engine and never used twice. */
  readonly seq: number;
  readonly id: string;
  readonly body: string;
  /** MD5 of the body. @default - not known: only a message that was just sent has it in memory */
  readonly bodyMd5?: string;
  /** Message attributes as JSON, binary values in base64. */
  readonly attributes: string | null;
  readonly sender: string;
  readonly sentAtMs: number;
  /** End of the message's delay; equal to or before `sentAtMs` when it had none. */
  readonly visibleFromMs: number;
  readonly groupId: string | null;
  readonly deduplicationId: string | null;
  readonly traceHeader: string | null;
  /** ARN of the queue from which the message was dead-lettered. */
  readonly sourceArn: string | null;
  /** Deliveries on all queues, as `ApproximateReceiveCount` reports them. */
  readonly receives: number;
  /** Deliveries on this queue, which `maxReceiveCount` limits. */
  readonly receivesHere: number;
  readonly firstReceivedAtMs: number;
};
