/** A queue as it is stored; its messages have tables of their own. */
export interface QueueRecord {
  /** Number of the queue in the message tables; never used for another queue. */
  readonly key: number;
  readonly name: string;
  readonly fifo: boolean;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
  readonly attributes: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly purgedAtMs?: number;
}
