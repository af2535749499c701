/** Tables of messages, their deliveries, deduplication ids and totals. */
export const MESSAGE_TABLES = `
  CREATE TABLE IF NOT EXISTS sqs_messages (
    seq INTEGER PRIMARY KEY, queue INTEGER NOT NULL, sent_at INTEGER NOT NULL, visible_from INTEGER NOT NULL,
    id TEXT NOT NULL, sender TEXT NOT NULL, group_id TEXT, deduplication_id TEXT, trace_header TEXT,
    source_arn TEXT, attributes TEXT, body TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS sqs_messages_by_age ON sqs_messages (queue, sent_at);
  CREATE INDEX IF NOT EXISTS sqs_messages_by_group ON sqs_messages (queue, group_id, seq) WHERE group_id IS NOT NULL;
  CREATE TABLE IF NOT EXISTS sqs_deliveries (
    seq INTEGER PRIMARY KEY, due INTEGER NOT NULL, leased_at INTEGER NOT NULL, receives INTEGER NOT NULL,
    receives_here INTEGER NOT NULL, first_received_at INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS sqs_totals (
    queue INTEGER PRIMARY KEY, sent INTEGER NOT NULL, deleted INTEGER NOT NULL, dead_lettered_in INTEGER NOT NULL,
    dead_lettered_out INTEGER NOT NULL, moved_in INTEGER NOT NULL, moved_out INTEGER NOT NULL,
    expired INTEGER NOT NULL, purged INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS sqs_duplicates (
    queue INTEGER NOT NULL, scope TEXT NOT NULL, deduplication_id TEXT NOT NULL, expires INTEGER NOT NULL,
    message_id TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (queue, scope, deduplication_id)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS sqs_duplicates_by_expiry ON sqs_duplicates (queue, expires);
  CREATE TABLE IF NOT EXISTS sqs_sequence (id INTEGER PRIMARY KEY CHECK (id = 1), reserved INTEGER NOT NULL);
`;
