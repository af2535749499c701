import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A stub of SQS that always has messages and confirms everything, in a process of its own. Replies are made
 * beforehand, so that what is measured are its clients.
 */
const BODY = 'x'.repeat(256);
const MD5 = createHash('md5').update(BODY).digest('hex');

const receiveReplies = Array.from({ length: 11 }, (_, count) =>
  Buffer.from(
    JSON.stringify({
      Messages: Array.from({ length: count }, (_message, index) => ({
        MessageId: `5fea7756-0ea4-451a-a703-a558b933e27${index}`,
        ReceiptHandle: `MbZj6wDWli+JvwwJaBV+3dcjk2YW2vA3+STFFljTM8tJJg6HRG6PYSasuWXPJB+Cw${index}`,
        MD5OfBody: MD5,
        Body: BODY,
        Attributes: {
          ApproximateReceiveCount: '1',
          SentTimestamp: String(Date.now()),
          SenderId: 'AIDAIENQZJOLO23YVJ4VO',
          ApproximateFirstReceiveTimestamp: String(Date.now()),
        },
      })),
    }),
  ),
);
const confirmations = Array.from({ length: 11 }, (_, count) =>
  Buffer.from(
    JSON.stringify({
      Successful: Array.from({ length: count }, (_entry, index) => ({ Id: String(index) })),
      Failed: [],
    }),
  ),
);
const EMPTY = Buffer.from('{}');

/** Clients whose ids are not 0, 1, 2, ... get a reply made for them. */
function confirm(body: string): Buffer {
  const { Entries = [] } = JSON.parse(body) as { Entries?: ReadonlyArray<{ Id: string }> };
  if (Entries.every(({ Id }, index) => Id === String(index))) return confirmations[Entries.length]!;
  return Buffer.from(JSON.stringify({ Successful: Entries.map(({ Id }) => ({ Id })), Failed: [] }));
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks).toString('utf8');
    const operation = request.headers['x-amz-target'];
    const reply =
      operation === 'AmazonSQS.ReceiveMessage'
        ? receiveReplies[Number(/"MaxNumberOfMessages":(\d+)/.exec(body)?.[1] ?? 1)]!
        : operation === 'AmazonSQS.DeleteMessage'
          ? EMPTY
          : confirm(body);
    response.writeHead(200, {
      'content-type': 'application/x-amz-json-1.0',
      'content-length': reply.length,
    });
    response.end(reply);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }));
});
