import type { State } from '../../state/state.ts';
import type { MessageRow } from './message-row.ts';
import { MESSAGE_TABLES } from './message-tables.ts';
import { RecentMessages } from './recent-messages.ts';

/** What a new message brings; the store gives it its sequence number. */
export type NewMessage = Omit<MessageRow, 'seq' | 'receives' | 'receivesHere' | 'firstReceivedAtMs'>;

/** Where a message stands, without its content. */
export type MessagePlace = Pick<MessageRow, 'seq' | 'id' | 'sentAtMs' | 'visibleFromMs' | 'groupId'>;

/** A message's place with its latest delivery, if it had one: what memory is rebuilt from. */
export type StandingRow = MessagePlace & {
  readonly [K in keyof Omit<DeliveryRow, 'seq'>]: number | null;
};

/** A delivery of a message: who may delete it, and until when nobody else sees it. */
export type DeliveryRow = {
  readonly seq: number;
  readonly dueMs: number;
  readonly leasedAtMs: number;
  readonly receives: number;
  readonly receivesHere: number;
  readonly firstReceivedAtMs: number;
};

/**
 * How many messages came to a queue and left it, ever. Together with the counts of the moment they obey
 * `sent + deadLetteredIn + movedIn = visible + inFlight + delayed + deleted + deadLetteredOut + movedOut +
 * expired + purged`.
 */
export type Totals = {
  sent: number;
  deleted: number;
  deadLetteredIn: number;
  deadLetteredOut: number;
  /** By message move tasks. */
  movedIn: number;
  movedOut: number;
  expired: number;
  purged: number;
};

const SEQ_BLOCK = 10_000;

/**
 * Messages, deliveries, FIFO deduplication and totals in SQLite. Deliveries have a table of their own, so that
 * handing out a message of one mebibyte does not rewrite it.
 *
 * Everything here takes part in the state's group commit; a reply is sent only after it.
 */
export class MessageStore {
  readonly #state: State;
  #nextSeq: number;
  #reservedSeq: number;
  readonly #reserve;
  readonly #insert;
  readonly #read;
  readonly #place;
  readonly #remove;
  readonly #lease;
  readonly #delivery;
  readonly #unlease;
  readonly #oldest;
  readonly #sentBefore;
  readonly #nextOfGroup;
  readonly #headOfGroup;
  readonly #standing;
  readonly #relocate;
  readonly #carryReceives;
  readonly #redelay;
  readonly #setBack;
  readonly #clearDeliveries;
  readonly #clearMessages;
  readonly #totals;
  readonly #saveTotals;
  readonly #dropTotals;
  readonly #duplicate;
  readonly #remember;
  readonly #forget;
  readonly #dropDuplicates;
  /** Totals that changed since the last commit. */
  readonly #changedTotals = new Map<number, Totals>();
  readonly #recent = new RecentMessages();

  constructor(state: State) {
    this.#state = state;
    const { db } = state;
    db.exec(MESSAGE_TABLES);
    this.#reservedSeq = Number(db.prepare('SELECT reserved FROM sqs_sequence').get()?.reserved ?? 1);
    this.#nextSeq = this.#reservedSeq;
    this.#reserve = db.prepare('INSERT OR REPLACE INTO sqs_sequence (id, reserved) VALUES (1, ?)');
    this.#insert = db.prepare(
      'INSERT INTO sqs_messages (seq, queue, sent_at, visible_from, id, sender, group_id, deduplication_id, trace_header, source_arn, attributes, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    );
    const whole = `SELECT m.seq AS seq, m.id AS id, m.body AS body, m.attributes AS attributes, m.sender AS sender,
      m.sent_at AS sentAtMs, m.visible_from AS visibleFromMs, m.group_id AS groupId,
      m.deduplication_id AS deduplicationId, m.trace_header AS traceHeader, m.source_arn AS sourceArn,
      COALESCE(d.receives, 0) AS receives, COALESCE(d.receives_here, 0) AS receivesHere,
      COALESCE(d.first_received_at, 0) AS firstReceivedAtMs
      FROM sqs_messages m LEFT JOIN sqs_deliveries d ON d.seq = m.seq`;
    this.#read = db.prepare(`${whole} WHERE m.seq = ?`);
    this.#nextOfGroup = db.prepare(
      `${whole} WHERE m.queue = ? AND m.group_id = ? AND m.seq > ? ORDER BY m.seq LIMIT 1`,
    );
    const place =
      'SELECT seq, id, sent_at AS sentAtMs, visible_from AS visibleFromMs, group_id AS groupId FROM sqs_messages';
    this.#headOfGroup = db.prepare(`${place} WHERE queue = ? AND group_id = ? ORDER BY seq LIMIT 1`);
    this.#place = db.prepare(`${place} WHERE seq = ?`);
    this.#sentBefore = db.prepare(`${place} WHERE queue = ? AND sent_at <= ? ORDER BY sent_at LIMIT ?`);
    this.#standing = db.prepare(
      `SELECT m.seq AS seq, m.id AS id, m.sent_at AS sentAtMs, m.visible_from AS visibleFromMs, m.group_id AS groupId,
      d.due AS dueMs, d.leased_at AS leasedAtMs, d.receives AS receives, d.receives_here AS receivesHere,
      d.first_received_at AS firstReceivedAtMs
      FROM sqs_messages m LEFT JOIN sqs_deliveries d ON d.seq = m.seq
      WHERE m.queue = ? ORDER BY m.sent_at, m.seq`,
    );
    this.#oldest = db.prepare('SELECT MIN(sent_at) AS sentAtMs FROM sqs_messages WHERE queue = ?');
    this.#remove = db.prepare('DELETE FROM sqs_messages WHERE seq = ?');
    const delivery =
      'SELECT d.seq AS seq, d.due AS dueMs, d.leased_at AS leasedAtMs, d.receives AS receives, d.receives_here AS receivesHere, d.first_received_at AS firstReceivedAtMs FROM sqs_deliveries d';
    this.#delivery = db.prepare(`${delivery} WHERE d.seq = ?`);
    this.#lease = db.prepare(
      'INSERT OR REPLACE INTO sqs_deliveries (seq, due, leased_at, receives, receives_here, first_received_at) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#unlease = db.prepare('DELETE FROM sqs_deliveries WHERE seq = ?');
    this.#relocate = db.prepare(
      'UPDATE sqs_messages SET seq = ?, queue = ?, id = ?, sent_at = ?, visible_from = ?, source_arn = ? WHERE seq = ?',
    );
    this.#carryReceives = db.prepare(
      'UPDATE sqs_deliveries SET seq = ?, due = 0, receives_here = 0, first_received_at = 0 WHERE seq = ?',
    );
    this.#redelay = db.prepare('UPDATE sqs_messages SET visible_from = sent_at + ? WHERE queue = ?');
    this.#setBack = [
      'UPDATE sqs_messages SET sent_at = sent_at - :by, visible_from = visible_from - :by WHERE queue = :queue',
      `UPDATE sqs_deliveries SET due = MAX(0, due - :by), leased_at = MAX(0, leased_at - :by),
      first_received_at = MAX(0, first_received_at - :by) WHERE seq IN (SELECT seq FROM sqs_messages WHERE queue = :queue)`,
      'UPDATE sqs_duplicates SET expires = expires - :by WHERE queue = :queue',
    ].map((sql) => db.prepare(sql));
    this.#clearDeliveries = db.prepare(
      'DELETE FROM sqs_deliveries WHERE seq IN (SELECT seq FROM sqs_messages WHERE queue = ?)',
    );
    this.#clearMessages = db.prepare('DELETE FROM sqs_messages WHERE queue = ?');
    this.#totals = db.prepare(
      'SELECT sent, deleted, dead_lettered_in AS deadLetteredIn, dead_lettered_out AS deadLetteredOut, moved_in AS movedIn, moved_out AS movedOut, expired, purged FROM sqs_totals WHERE queue = ?',
    );
    this.#saveTotals = db.prepare(
      'INSERT OR REPLACE INTO sqs_totals (queue, sent, deleted, dead_lettered_in, dead_lettered_out, moved_in, moved_out, expired, purged) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#dropTotals = db.prepare('DELETE FROM sqs_totals WHERE queue = ?');
    this.#duplicate = db.prepare(
      'SELECT message_id AS messageId, seq FROM sqs_duplicates WHERE queue = ? AND scope = ? AND deduplication_id = ? AND expires > ?',
    );
    this.#remember = db.prepare(
      'INSERT OR REPLACE INTO sqs_duplicates (queue, scope, deduplication_id, expires, message_id, seq) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#forget = db.prepare('DELETE FROM sqs_duplicates WHERE queue = ? AND expires <= ?');
    this.#dropDuplicates = db.prepare('DELETE FROM sqs_duplicates WHERE queue = ?');
    state.beforeCommit(() => this.#writeTotals());
  }

  insert(queue: number, message: NewMessage): number {
    this.#state.write();
    const seq = this.#takeSeq();
    this.#insert.run(
      seq,
      queue,
      message.sentAtMs,
      message.visibleFromMs,
      message.id,
      message.sender,
      message.groupId,
      message.deduplicationId,
      message.traceHeader,
      message.sourceArn,
      message.attributes,
      message.body,
    );
    this.#recent.add({ ...message, seq, receives: 0, receivesHere: 0, firstReceivedAtMs: 0 });
    return seq;
  }

  read(seq: number): MessageRow | undefined {
    return this.#recent.take(seq) ?? (this.#read.get(seq) as MessageRow | undefined);
  }

  place(seq: number): MessagePlace | undefined {
    return this.#place.get(seq) as MessagePlace | undefined;
  }

  /** First message of a FIFO group after `seq`, whatever its state. */
  nextOfGroup(queue: number, groupId: string, seq: number): MessageRow | undefined {
    return this.#nextOfGroup.get(queue, groupId, seq) as MessageRow | undefined;
  }

  /** First message of a FIFO group, whatever its state, without its content. */
  headOfGroup(queue: number, groupId: string): MessagePlace | undefined {
    return this.#headOfGroup.get(queue, groupId) as MessagePlace | undefined;
  }

  /** Up to `limit` messages sent at `atMs` or before, oldest first. */
  sentBefore(queue: number, atMs: number, limit: number): MessagePlace[] {
    return this.#sentBefore.all(queue, atMs, limit) as MessagePlace[];
  }

  /** When the oldest message was sent; `undefined` for an empty queue. */
  oldestSentAtMs(queue: number): number | undefined {
    return (this.#oldest.get(queue)?.sentAtMs as number | null) ?? undefined;
  }

  /** All messages of a queue, oldest first. Read to the end before anything is written. */
  standing(queue: number): Iterable<StandingRow> {
    return this.#standing.iterate(queue) as Iterable<StandingRow>;
  }

  delivery(seq: number): DeliveryRow | undefined {
    return this.#delivery.get(seq) as DeliveryRow | undefined;
  }

  saveDelivery(row: DeliveryRow): void {
    this.#state.write();
    this.#lease.run(
      row.seq,
      row.dueMs,
      row.leasedAtMs,
      row.receives,
      row.receivesHere,
      row.firstReceivedAtMs,
    );
  }

  dropDelivery(seq: number): void {
    this.#state.write();
    this.#unlease.run(seq);
  }

  remove(seq: number): void {
    this.#state.write();
    this.#recent.take(seq);
    this.#remove.run(seq);
    this.#unlease.run(seq);
  }

  /** Gives a message to another queue under a new sequence number, which is returned. */
  relocate(
    seq: number,
    to: { queue: number; id: string; sentAtMs: number; sourceArn: string | null; keepReceives: boolean },
  ): number {
    this.#state.write();
    this.#recent.take(seq);
    const moved = this.#takeSeq();
    this.#relocate.run(moved, to.queue, to.id, to.sentAtMs, to.sentAtMs, to.sourceArn, seq);
    if (to.keepReceives) this.#carryReceives.run(moved, seq);
    else this.#unlease.run(seq);
    return moved;
  }

  /** Sets the end of every message's delay to `delayMs` after it was sent. */
  redelay(queue: number, delayMs: number): void {
    this.#state.write();
    this.#recent.clear();
    this.#redelay.run(delayMs, queue);
  }

  /** Moves all times of a queue by as much as the clock was set back. */
  setBack(queue: number, byMs: number): void {
    this.#state.write();
    this.#recent.clear();
    for (const statement of this.#setBack) statement.run({ by: byMs, queue });
  }

  /** Removes every message of a queue. */
  clear(queue: number): void {
    this.#state.write();
    this.#recent.clear();
    this.#clearDeliveries.run(queue);
    this.#clearMessages.run(queue);
  }

  /** Removes all that is known of a queue. */
  drop(queue: number): void {
    this.clear(queue);
    this.#changedTotals.delete(queue);
    this.#dropTotals.run(queue);
    this.#dropDuplicates.run(queue);
  }

  totals(queue: number): Totals {
    const row = this.#totals.get(queue);
    if (row) return { ...row } as Totals;
    return {
      sent: 0,
      deleted: 0,
      deadLetteredIn: 0,
      deadLetteredOut: 0,
      movedIn: 0,
      movedOut: 0,
      expired: 0,
      purged: 0,
    };
  }

  /** Has a queue's totals saved with the commit; once, however often they change until then. */
  saveTotals(queue: number, totals: Totals): void {
    this.#state.write();
    this.#changedTotals.set(queue, totals);
  }

  /** The message that was sent with the same deduplication id and is not yet forgotten. */
  duplicate(
    queue: number,
    scope: string,
    deduplicationId: string,
    nowMs: number,
  ): { messageId: string; seq: number } | undefined {
    return this.#duplicate.get(queue, scope, deduplicationId, nowMs) as
      | { messageId: string; seq: number }
      | undefined;
  }

  remember(
    queue: number,
    scope: string,
    deduplicationId: string,
    expiresMs: number,
    message: { messageId: string; seq: number },
  ): void {
    this.#state.write();
    this.#remember.run(queue, scope, deduplicationId, expiresMs, message.messageId, message.seq);
  }

  /** Forgets deduplication ids whose time is over. */
  forget(queue: number, nowMs: number): void {
    this.#state.write();
    this.#forget.run(queue, nowMs);
  }

  #writeTotals(): void {
    for (const [queue, totals] of this.#changedTotals) {
      this.#saveTotals.run(
        queue,
        totals.sent,
        totals.deleted,
        totals.deadLetteredIn,
        totals.deadLetteredOut,
        totals.movedIn,
        totals.movedOut,
        totals.expired,
        totals.purged,
      );
    }
    this.#changedTotals.clear();
  }

  #takeSeq(): number {
    if (this.#nextSeq === this.#reservedSeq) {
      this.#reservedSeq += SEQ_BLOCK;
      this.#reserve.run(this.#reservedSeq);
    }
    return this.#nextSeq++;
  }
}
