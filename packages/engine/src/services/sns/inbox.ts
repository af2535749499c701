import { appendFileSync, existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A notification for a person or a web hook, which nothing here can reach. */
export interface InboxItem {
  readonly at: string;
  readonly topicArn: string;
  readonly protocol: string;
  readonly endpoint: string;
  readonly subject?: string;
  readonly message: string;
}

const FILE_BYTES_MAX = 10 * 1024 * 1024;

/**
 * The local inbox: `inbox.jsonl`, one notification a line, for whoever would have got an email, a text
 * message or a web hook. At 10 MiB it becomes `inbox.1.jsonl` and a new one begins.
 */
export class Inbox {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get path(): string {
    return join(this.#directory, 'inbox.jsonl');
  }

  add(item: InboxItem): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    if (existsSync(this.path) && statSync(this.path).size > FILE_BYTES_MAX) {
      renameSync(this.path, join(this.#directory, 'inbox.1.jsonl'));
    }
    appendFileSync(this.path, `${JSON.stringify(item)}\n`, { mode: 0o600 });
  }
}
