import {
  type CloudWatchLogsClient,
  type FilteredLogEvent,
  FilterLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { awsErrorCode, messageOf } from '../thrown.ts';
import { UserError } from '../user-error.ts';

/** FilterLogEvents' limit. */
const streamsPerCall = 100;

/** Which events of a log group to read. */
export interface EventRange {
  readonly group: string;
  readonly pattern: string;
  /** Both inclusive, epoch milliseconds. */
  readonly fromMs: number;
  readonly untilMs?: number;
}

/** Takes the events of one page; not all pages are held at once, since there may be hundreds. */
export type TakeEvents = (events: readonly FilteredLogEvent[]) => void;

/** Reads events of log groups through CloudWatch Logs' API. */
export class LogReader {
  readonly #client: CloudWatchLogsClient;

  constructor(client: CloudWatchLogsClient) {
    this.#client = client;
  }

  /**
   * Reads the events of all streams.
   *
   * @param maxPages how many pages to read at most.
   * @returns how many it has read, or undefined where there are more.
   */
  async read(
    range: EventRange,
    take: TakeEvents,
    maxPages = Number.POSITIVE_INFINITY,
  ): Promise<number | undefined> {
    return this.#pages(range, undefined, take, maxPages);
  }

  /**
   * Reads the events of some streams, and returns which of them exist: one is created when its task starts, so it may
   * not be there yet.
   */
  async readStreams(
    range: EventRange,
    streams: readonly string[],
    take: TakeEvents,
  ): Promise<readonly string[]> {
    const existing: string[] = [];
    for (let from = 0; from < streams.length; from += streamsPerCall) {
      existing.push(...(await this.#existing(range, streams.slice(from, from + streamsPerCall), take)));
    }
    return existing;
  }

  async #existing(
    range: EventRange,
    streams: readonly string[],
    take: TakeEvents,
  ): Promise<readonly string[]> {
    try {
      await this.#pages(range, streams, take);
      return streams;
    } catch (error) {
      if (!(error instanceof StreamNotFound)) throw error;
      // AWS does not say which one is missing.
      if (streams.length === 1) return [];
      const middle = Math.ceil(streams.length / 2);
      return [
        ...(await this.#existing(range, streams.slice(0, middle), take)),
        ...(await this.#existing(range, streams.slice(middle), take)),
      ];
    }
  }

  /** Reads all pages, of which some may be empty. */
  async #pages(
    { group, pattern, fromMs, untilMs }: EventRange,
    streams: readonly string[] | undefined,
    take: TakeEvents,
    maxPages = Number.POSITIVE_INFINITY,
  ): Promise<number | undefined> {
    let nextToken: string | undefined;
    let pages = 0;
    do {
      if (pages === maxPages) return undefined;
      pages += 1;
      const command = new FilterLogEventsCommand({
        logGroupName: group,
        filterPattern: pattern,
        startTime: fromMs,
        ...(untilMs !== undefined && { endTime: untilMs }),
        ...(streams && { logStreamNames: [...streams] }),
        ...(nextToken !== undefined && { nextToken }),
      });
      const page = await this.#client.send(command).catch((error: unknown) => {
        throw unreadable(group, error);
      });
      take(page.events ?? []);
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    return pages;
  }
}

class StreamNotFound extends Error {}

/** Why events cannot be read, with what to do. */
function unreadable(group: string, cause: unknown): Error {
  const message = messageOf(cause);
  switch (awsErrorCode(cause)) {
    case 'ResourceNotFoundException':
      // One code for two things, which only the text distinguishes.
      if (/log stream/i.test(message)) return new StreamNotFound(message, { cause });
      return new UserError('LogGroupNotFound', `there is no log group ${group}; deploy the pipeline stack`, {
        cause,
      });
    case 'AccessDeniedException':
      return new UserError(
        'LogAccessDenied',
        `${message}; allow logs:FilterLogEvents on log group ${group}, for the controller by deploying the pipeline stack again`,
        { cause },
      );
    default:
      return new UserError(
        'LogUnreadable',
        `log group ${group} cannot be read (${message}); the next look asks again`,
        { cause },
      );
  }
}
