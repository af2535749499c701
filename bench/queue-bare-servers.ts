import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer as createNetServer, type Server } from 'node:net';

/** Answers everything that the benchmark asks singly: an address of a queue, and one message. */
const REPLY = JSON.stringify({
  QueueUrl: 'http://127.0.0.1:1/000000000000/single',
  Messages: [
    {
      MessageId: '00000000-0000-4000-a000-000000000000',
      ReceiptHandle: 'AQEBMS4xLjEuMDAwMDAwMDAtMDAwMA',
      MD5OfBody: '00000000000000000000000000000000',
      Body: 'x'.repeat(256),
    },
  ],
});
const CONTENT_TYPE = 'application/x-amz-json-1.0';

/**
 * A `node:http` server that reads each request and answers with a fixed body: what any server built on it could
 * reach at most.
 */
export function startBareHttp(): Promise<number> {
  const server = createHttpServer((request, response) => {
    request.on('data', () => {});
    request.on('end', () => {
      response.writeHead(200, { 'content-type': CONTENT_TYPE, 'content-length': REPLY.length });
      response.end(REPLY);
    });
  });
  return listen(server);
}

/**
 * A `node:net` server that does no more than tell where a request ends: what the benchmark's client can reach.
 */
export function startBareNet(): Promise<number> {
  const reply = `HTTP/1.1 200 OK\r\ncontent-type: ${CONTENT_TYPE}\r\ncontent-length: ${REPLY.length}\r\n\r\n${REPLY}`;
  const server = createNetServer({ noDelay: true }, (socket) => {
    let received = '';
    socket.setEncoding('latin1');
    socket.on('error', () => socket.destroy());
    socket.on('data', (text) => {
      received += text;
      const end = received.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(received)?.[1] ?? 0);
      if (received.length < end + 4 + length) return;
      received = '';
      socket.write(reply);
    });
  });
  return listen(server);
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}
