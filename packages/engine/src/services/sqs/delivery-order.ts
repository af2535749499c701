import type { MessageRow } from './message-row.ts';

/**
 * Which visible message comes next. Holds positions only, never content, and no more of them than it needs:
 * entries of messages that are gone are skipped when they come up.
 */
export interface DeliveryOrder {
  /** A message became visible for the first time: sent, or its delay ended. */
  arrived(seq: number, groupId: string | null): void;
  /** A message's lease ended and nobody had deleted it. */
  returned(seq: number, groupId: string | null, receivesHere: number): void;
  /** A FIFO group is known again after a restart; messages in flight were reported by {@link leased} before. */
  restored(groupId: string): void;
  /** Takes the next message; the caller leases it, or removes it from the queue. */
  next(): MessageRow | undefined;
  /** The caller leased the message that {@link next} gave. */
  leased(groupId: string | null): void;
  /** A leased message was deleted or has expired. */
  released(groupId: string | null): void;
  /** A visible or delayed message is gone that {@link next} had not given. */
  removed(seq: number, groupId: string | null): void;
  /** Ends a receive call, in which several messages of one group may be given. */
  endReceive(): void;
  clear(): void;
}
