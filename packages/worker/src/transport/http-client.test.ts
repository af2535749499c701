import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { VirtualClock } from '../../test/support/virtual-clock.ts';
import { HttpClient, type HttpRequest } from './http-client.ts';
import type { SqsFault } from './transport.ts';

const closing: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** The server's behaviour for the requests of a connection; both are counted from 1. */
type Answer = (socket: Socket, request: string, nthOfConnection: number, connection: number) => unknown;

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}';

class Peer {
  readonly server: Server;
  readonly sockets: Socket[] = [];
  readonly requests: string[] = [];
  answer: Answer = (socket) => socket.write(OK);

  constructor(server: Server, event: 'connection' | 'secureConnection' = 'connection') {
    this.server = server;
    server.on(event, (socket: Socket) => {
      const connection = this.sockets.push(socket);
      let nth = 0;
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        const request = String(bytes);
        this.requests.push(request);
        this.answer(socket, request, ++nth, connection);
      });
    });
  }

  static async start(server: Server = createServer(), event?: 'secureConnection'): Promise<Peer> {
    const peer = new Peer(server, event);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(() => {
      for (const socket of peer.sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    });
    return peer;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }
}

async function connect(peer?: Peer) {
  const own = peer ?? (await Peer.start());
  const clock = new VirtualClock();
  const client = new HttpClient(new URL(`http://127.0.0.1:${own.port}`), clock);
  closing.push(() => client.close());
  const send = (text = 'ping', more: Partial<HttpRequest> = {}) =>
    client.send({
      text,
      encoding: 'utf8',
      silenceMs: 60_000,
      repeatable: true,
      signal: undefined,
      ...more,
    });
  return { peer: own, clock, client, send };
}

const faultOf = (sent: Promise<unknown>): Promise<SqsFault> =>
  sent.then(
    () => {
      throw new Error('it did not fail');
    },
    (fault: SqsFault) => fault,
  );

test('calls one after the other share a connection, and calls at the same time do not', async () => {
  const { peer, send } = await connect();
  for (const text of ['a', 'b', 'c']) {
    expect(await send(text)).toEqual({ status: 200, text: '{}', date: undefined });
  }
  expect(peer.sockets).toHaveLength(1);
  await Promise.all([send('d'), send('e')]);
  expect(peer.sockets).toHaveLength(2);
  expect(peer.requests.sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('each call gets the reply of its own request', async () => {
  const { peer, send } = await connect();
  peer.answer = (socket, request) =>
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${request.length}\r\n\r\n${request}`);
  const texts = Array.from({ length: 50 }, (_, index) => `request ${index}`);
  for (let round = 0; round < 3; round++) {
    const replies = await Promise.all(texts.map((text) => send(text)));
    expect(replies.map(({ text }) => text)).toEqual(texts);
  }
});

test('a connection that the server will not keep is not used again', async () => {
  const { peer, send } = await connect();
  peer.answer = (socket) =>
    socket.write('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}');
  await send();
  await send();
  expect(peer.sockets).toHaveLength(2);
});

test('a connection is not used for longer than the server keeps it', async () => {
  const { peer, clock, send } = await connect();
  peer.answer = (socket) =>
    socket.write('HTTP/1.1 200 OK\r\nkeep-alive: timeout=5\r\ncontent-length: 2\r\n\r\n{}');
  await send();
  clock.block(3_900);
  await send();
  expect(peer.sockets).toHaveLength(1);
  clock.block(4_000);
  await send();
  expect(peer.sockets).toHaveLength(2);
});

test('bytes on an idle connection are nobody’s reply', async () => {
  const { peer, send } = await connect();
  await send();
  const [first] = peer.sockets;
  first?.write('HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n');
  await once(first!, 'close');
  expect(await send()).toMatchObject({ status: 200 });
  expect(peer.sockets).toHaveLength(2);
});

test('a server that answers before it has read the request gets no other on that connection', async () => {
  const { peer, send } = await connect();
  const early = 'HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n';
  peer.answer = (socket, _request, _nth, connection) => {
    if (connection > 1) return socket.write(OK);
    socket.pause();
    return socket.write(early);
  };
  expect(await send('x'.repeat(20_000_000))).toMatchObject({ status: 413 });
  expect(await send()).toMatchObject({ status: 200 });
  expect(peer.sockets).toHaveLength(2);
});

describe('a connection that ends', () => {
  test('while it is idle is not a failure', async () => {
    const { peer, send } = await connect();
    await send();
    peer.sockets[0]?.end();
    await once(peer.sockets[0]!, 'close');
    await send();
    expect(peer.requests).toHaveLength(2);
  });

  test.each<[string, (socket: Socket) => unknown]>([
    ['with a reset', (socket) => socket.resetAndDestroy()],
    ['with an end', (socket) => socket.end()],
  ])(
    '%s at the moment of its next use has the request sent once more, on a new connection',
    async (_how, end) => {
      const { peer, send } = await connect();
      // Both connections are idle, and neither is good any more.
      peer.answer = (socket, _request, nth) => (nth > 1 ? end(socket) : socket.write(OK));
      await Promise.all([send('a'), send('b')]);
      expect(await send('c')).toMatchObject({ status: 200 });
      expect(peer.requests.slice(2)).toEqual(['c', 'c']);
      expect(peer.sockets).toHaveLength(3);
    },
  );

  test('again and again fails after the second time', async () => {
    const { peer, send } = await connect();
    peer.answer = (socket, _request, _nth, connection) =>
      connection > 1 ? socket.resetAndDestroy() : socket.write(OK);
    await send('a');
    peer.answer = (socket) => socket.resetAndDestroy();
    expect(await faultOf(send('b'))).toMatchObject({ code: 'ECONNRESET', kind: 'network' });
    expect(peer.requests).toEqual(['a', 'b', 'b']);
  });

  test.each<[string, Partial<HttpRequest>, Answer]>([
    ['sending twice does harm', { repeatable: false }, (socket) => socket.resetAndDestroy()],
    ['the reply has begun', {}, (socket) => socket.write('HTTP/1.1 2', () => socket.end())],
  ])('is a failure of its call when %s', async (_when, more, answer) => {
    const { peer, send } = await connect();
    await send('a');
    peer.answer = answer;
    expect(await faultOf(send('b', more))).toMatchObject({ code: 'ECONNRESET', kind: 'network' });
    expect(peer.requests).toEqual(['a', 'b']);
  });

  test('is a failure of its call when the server had the time to take it up', async () => {
    const { peer, clock, send } = await connect();
    await send('a');
    peer.answer = (socket) => {
      clock.block(1_500);
      socket.resetAndDestroy();
    };
    expect(await faultOf(send('b'))).toMatchObject({ code: 'ECONNRESET', kind: 'network' });
    expect(peer.requests).toEqual(['a', 'b']);
  });

  test('is a failure of its call when it is the first that it carries', async () => {
    const { peer, send } = await connect();
    peer.answer = (socket) => socket.end();
    expect(await faultOf(send())).toMatchObject({ code: 'ECONNRESET', kind: 'network' });
    expect(peer.requests).toHaveLength(1);
  });
});

describe('silence', () => {
  const hears = (peer: Peer) =>
    new Promise<void>((resolve) => {
      peer.answer = () => resolve();
    });

  test('fails the call when it lasts too long, and not before', async () => {
    const { peer, clock, send } = await connect();
    const heard = hears(peer);
    let failed = false;
    const fault = faultOf(send('a', { silenceMs: 5_000 })).finally(() => {
      failed = true;
    });
    await heard;
    await clock.advance(4_999);
    expect(failed).toBe(false);
    await clock.advance(1);
    expect(await fault).toMatchObject({ code: 'TimeoutError', kind: 'network' });
  });

  test('is counted from the last byte', async () => {
    const { peer, clock, send } = await connect();
    peer.answer = async (socket) => {
      for (const byte of OK) {
        await clock.advance(4_000);
        await new Promise<void>((resolve) => socket.write(byte, () => setImmediate(resolve)));
      }
    };
    expect(await send('a', { silenceMs: 60_000 })).toMatchObject({ status: 200, text: '{}' });
  });

  test('is counted for each call by itself, whatever an earlier one allowed', async () => {
    const { peer, clock, send } = await connect();
    await send('a', { silenceMs: 60_000 });
    await clock.advance(30_000);
    const heard = hears(peer);
    const fault = faultOf(send('b', { silenceMs: 5_000 }));
    await heard;
    await clock.advance(5_000);
    expect(await fault).toMatchObject({ code: 'TimeoutError', message: 'no byte from SQS for 5000 ms' });
    expect(peer.sockets).toHaveLength(1);
  });

  test('while the event loop was blocked does not count: the reply may be there, unread', async () => {
    const { peer, clock, send } = await connect();
    const heard = hears(peer);
    const sent = send('a', { silenceMs: 5_000 });
    await heard;
    clock.block(20_000);
    await clock.advance(0);
    peer.sockets[0]?.write(OK);
    expect(await sent).toMatchObject({ status: 200 });
  });

  test('of an idle connection does not count: the next call starts at zero', async () => {
    const { peer, clock, send } = await connect();
    await send('a', { silenceMs: 5_000 });
    await clock.advance(4_000);
    const heard = hears(peer);
    const sent = send('b', { silenceMs: 5_000 });
    await heard;
    await clock.advance(4_000);
    peer.sockets[0]?.write(OK);
    expect(await sent).toMatchObject({ status: 200 });
  });
});

test('a reply that is not HTTP fails the call and costs the connection', async () => {
  const { peer, send } = await connect();
  peer.answer = (socket) => socket.write('220 mail.example.com ESMTP\r\n\r\n');
  expect(await faultOf(send())).toMatchObject({ code: 'MalformedReply' });
  peer.answer = (socket) => socket.write(OK);
  await send();
  expect(peer.sockets).toHaveLength(2);
});

test('a signal abandons its calls in progress and its later calls, and no others', async () => {
  const { peer, send } = await connect();
  peer.answer = (socket, request) => (request === 'kept' ? undefined : socket.write(OK));
  const abandon = new AbortController();
  await send('done', { signal: abandon.signal });
  const waiting = new Promise<void>((resolve) => {
    peer.answer = (_socket, request) => {
      if (request === 'left') resolve();
    };
  });
  const kept = send('kept');
  const left = faultOf(send('left', { signal: abandon.signal }));
  await waiting;
  abandon.abort();
  expect(await left).toMatchObject({ code: 'AbortError', kind: 'network' });
  expect(await faultOf(send('later', { signal: abandon.signal }))).toMatchObject({ code: 'AbortError' });
  expect(peer.requests).not.toContain('later');
  for (const socket of peer.sockets) if (!socket.destroyed) socket.write(OK);
  expect(await kept).toMatchObject({ status: 200 });
});

test('closing fails the calls in progress', async () => {
  const { peer, client, send } = await connect();
  const arrived = new Promise<void>((resolve) => {
    peer.answer = () => resolve();
  });
  const fault = faultOf(send());
  await arrived;
  client.close();
  expect(await fault).toMatchObject({ code: 'ConnectionClosed', kind: 'network' });
});

test('a server that does not listen is a fault that names the address', async () => {
  const { peer, send } = await connect();
  const { port } = peer;
  await new Promise((resolve) => peer.server.close(resolve));
  const fault = await faultOf(send());
  expect(fault).toMatchObject({ code: 'ECONNREFUSED', kind: 'network' });
  expect(fault.message).toContain(`127.0.0.1:${port}`);
});

describe('TLS', () => {
  // A certificate for localhost that nobody trusts, and its key.
  const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgfml3z/6yc6ox4kDu
tmHKX4LLN5gaSpO7F2Uk8/0ZjnGhRANCAASEAVZld7FDPB8jC0NNxXbffHhZ7sjj
nQoiqpFpNFm8sT0Ra5vx6oS8pQL8zMtbDGn29+l+IThWXJzxVCf9WiIE
-----END PRIVATE KEY-----`;
  const cert = `-----BEGIN CERTIFICATE-----
MIIBYTCCAQegAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIQBVmV3sUM8HyML
Q03Fdt98eFnuyOOdCiKqkWk0WbyxPRFrm/HqhLylAvzMy1sMafb36X4hOFZcnPFU
J/1aIgSjSDBGMBQGA1UdEQQNMAuCCWxvY2FsaG9zdDAPBgNVHRMBAf8EBTADAQH/
MB0GA1UdDgQWBBSgMOJwt9Yuq8mQCFb9GHJPEOxewjAKBggqhkjOPQQDAgNIADBF
AiEAgeMPo0l13kMGk26IFyslP5oh+HTuq0PXkwNbWcAfq10CIBzMtX5ZVniFt0J+
izka1Daz6xaUSWnsDZ/drOuTU0XD
-----END CERTIFICATE-----`;

  async function secure(host: string) {
    const peer = await Peer.start(createTlsServer({ key, cert }), 'secureConnection');
    peer.server.on('tlsClientError', () => undefined);
    const client = new HttpClient(new URL(`https://${host}:${peer.port}`), new VirtualClock());
    closing.push(() => client.close());
    const send = (text: string) =>
      client.send({ text, encoding: 'utf8', silenceMs: 60_000, repeatable: true, signal: undefined });
    return { peer, send };
  }

  function trust(): void {
    const before = getCACertificates('default');
    setDefaultCACertificates([...before, cert]);
    closing.push(() => setDefaultCACertificates(before));
  }

  test('a server that is trusted is talked to, on connections that are kept', async () => {
    trust();
    const { peer, send } = await secure('localhost');
    for (const text of ['a', 'b']) expect(await send(text)).toMatchObject({ status: 200, text: '{}' });
    expect(peer.requests).toEqual(['a', 'b']);
    expect(peer.sockets).toHaveLength(1);
  });

  test('a certificate that nobody vouches for is a fault, and the server gets no byte', async () => {
    const { peer, send } = await secure('localhost');
    expect(await faultOf(send('secret'))).toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    expect(peer.requests).toEqual([]);
  });

  test('a certificate for another name is a fault, and the server gets no byte', async () => {
    trust();
    const { peer, send } = await secure('127.0.0.1');
    expect(await faultOf(send('secret'))).toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    expect(peer.requests).toEqual([]);
  });
});
