import type { IncomingMessage, ServerResponse } from 'node:http';
import { sleep } from '../clock/clock.ts';
import type { Engine } from '../dispatch/service.ts';
import type { Principal } from '../iam/principal.ts';
import type { CustomResourceAnswer, CustomResourceQuestion } from '../resources/custom-resource-exchange.ts';
import { isObject, type Json } from '../resources/schema.ts';
import type { Table } from '../state/state.ts';
import { Stopped } from './stopped.ts';

/** A request to a custom resource's function, kept until its answer can no longer come. */
interface StoredRequest {
  readonly requestId: string;
  /** The step of the stack operation that asked: after a crash the same step finds its request by it. */
  readonly step: string;
  readonly deadlineMs: number;
  readonly sent: boolean;
  readonly answer: string | undefined;
  /** The step has its answer. */
  readonly done: boolean;
}

/** What a question needs to know of the stack operation that asks it. */
interface Asker {
  readonly principal: Principal;
  readonly stackId: string;
  readonly logicalId: string;
  /** Names the operation and its phase. */
  readonly step: string;
  /** Aborts when the engine stops. */
  readonly stop: AbortSignal;
}

const PATH = '/custom-resource-response/';
const ANSWER_BYTES_MAX = 4096;

/**
 * The requests that CloudFormation makes of custom resources: an asynchronous event for the function, and an address that
 * takes the answer from whoever knows it. On AWS the address is a presigned URL of S3.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
 */
export class CustomResourceRequests {
  readonly #engine: Engine;
  /** By the secret part of the address. */
  readonly #requests: Table<StoredRequest>;
  readonly #waiting = new Map<string, () => void>();

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#requests = engine.state.table('cloudformation.custom-resource-requests');
  }

  /** Asks a custom resource's function, and waits for its answer for as long as the resource allows. */
  async ask(asker: Asker, question: CustomResourceQuestion): Promise<CustomResourceAnswer> {
    const step = [asker.stackId, asker.logicalId, question.requestType, question.id ?? '', asker.step].join(
      ' ',
    );
    const token = this.#find(step) ?? this.#open(step, question.timeoutSeconds);
    const answer = await this.#answer(token, asker, question);
    this.#requests.put(token, { ...this.#requests.get(token)!, done: true });
    return answer;
  }

  /** Takes answers; `false` for every other request. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const url = request.url?.split('?')[0] ?? '';
    if (request.method !== 'PUT' || !url.startsWith(PATH) || request.headers.authorization) return false;
    const token = url.slice(PATH.length);
    const known = this.#requests.get(token);
    if (known === undefined) {
      response.writeHead(403).end('no request of a custom resource waits for an answer here\n');
      return true;
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      // What is too long is refused by its first bytes; the rest is read and dropped.
      if (bytes <= ANSWER_BYTES_MAX) chunks.push(chunk);
      bytes += chunk.byteLength;
    }
    const answer = Buffer.concat(chunks).toString('utf8');
    const current = this.#requests.get(token);
    if (current !== undefined && current.answer === undefined) {
      this.#requests.put(token, { ...current, answer });
      await this.#engine.state.committed();
      this.#waiting.get(token)?.();
    }
    response.writeHead(200).end();
    return true;
  }

  #find(step: string): string | undefined {
    for (const [token, request] of this.#requests.entries()) {
      if (request.step === step && !request.done) return token;
    }
    return undefined;
  }

  #open(step: string, timeoutSeconds: number): string {
    const { clock, ids } = this.#engine;
    const nowMs = clock.nowMs();
    for (const [token, { done, deadlineMs }] of [...this.#requests.entries()]) {
      if (done && deadlineMs < nowMs) this.#requests.delete(token);
    }
    const token = ids.hex(64);
    this.#requests.put(token, {
      requestId: ids.uuid(),
      step,
      deadlineMs: nowMs + timeoutSeconds * 1000,
      sent: false,
      answer: undefined,
      done: false,
    });
    return token;
  }

  async #answer(
    token: string,
    asker: Asker,
    question: CustomResourceQuestion,
  ): Promise<CustomResourceAnswer> {
    const { requestId, deadlineMs, sent } = this.#requests.get(token)!;
    const answered = new AbortController();
    this.#waiting.set(token, () => answered.abort());
    try {
      if (!sent) {
        await this.#send(token, requestId, asker, question).catch((error: unknown) => {
          this.#requests.delete(token);
          throw error;
        });
        this.#requests.put(token, { ...this.#requests.get(token)!, sent: true });
      }
      if (this.#requests.get(token)!.answer === undefined) {
        const leftMs = Math.max(deadlineMs - this.#engine.clock.nowMs(), 0);
        await sleep(this.#engine.clock, leftMs, AbortSignal.any([answered.signal, asker.stop]));
      }
    } finally {
      this.#waiting.delete(token);
    }
    const { answer } = this.#requests.get(token)!;
    if (answer !== undefined) return read(answer, requestId, question);
    if (asker.stop.aborted) throw new Stopped();
    return {
      failure: `CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId [${requestId}].`,
      id: question.id,
      data: {},
    };
  }

  async #send(
    token: string,
    requestId: string,
    { principal, stackId, logicalId }: Asker,
    question: CustomResourceQuestion,
  ): Promise<void> {
    const { properties, oldProperties, id } = question;
    const event = {
      RequestType: question.requestType,
      ServiceToken: properties.ServiceToken,
      ResponseURL: `${this.#engine.endpoint()}${PATH}${token}`,
      StackId: stackId,
      RequestId: requestId,
      LogicalResourceId: logicalId,
      ...(id === undefined ? {} : { PhysicalResourceId: id }),
      ResourceType: question.type,
      ResourceProperties: asText(properties),
      ...(oldProperties === undefined ? {} : { OldResourceProperties: asText(oldProperties) }),
    };
    await this.#engine.state.committed();
    this.#engine.journal.append('cloudformation', 'custom-resource.asked', {
      logicalId,
      requestId,
      requestType: question.requestType,
      id,
    });
    await this.#engine.call(principal, 'lambda', 'Invoke', {
      FunctionName: String(properties.ServiceToken),
      InvocationType: 'Event',
      Payload: Buffer.from(JSON.stringify(event)),
    });
  }
}

/** Numbers and booleans reach the function as text: CloudFormation's properties know nothing else. */
function asText(value: Json): Json {
  if (Array.isArray(value)) return value.map(asText);
  if (isObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, asText(item)]));
  }
  return value === null ? value : String(value);
}

function read(text: string, requestId: string, question: CustomResourceQuestion): CustomResourceAnswer {
  const failed = (failure: string, id: string | undefined): CustomResourceAnswer => ({
    failure,
    id,
    data: {},
  });
  if (Buffer.byteLength(text) > ANSWER_BYTES_MAX) return failed('Response object is too long.', question.id);
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return failed('Invalid Response object: it is not JSON.', question.id);
  }
  if (!isObject(answer)) return failed('Invalid Response object: it is not an object.', question.id);
  const { Status, Reason, PhysicalResourceId, Data } = answer;
  const id =
    typeof PhysicalResourceId === 'string' && PhysicalResourceId !== '' ? PhysicalResourceId : undefined;
  if (answer.RequestId !== requestId) return failed('Invalid Response object: RequestId', id ?? question.id);
  if (Status === 'FAILED') {
    return failed(
      `Received response status [FAILED] from custom resource. Message returned: ${String(Reason ?? '')} (RequestId: ${requestId})`,
      id ?? question.id,
    );
  }
  if (Status !== 'SUCCESS') return failed('Invalid Response object: Status', id ?? question.id);
  if (id === undefined && question.requestType !== 'Delete')
    return failed('Invalid PhysicalResourceId', question.id);
  return { failure: undefined, id: id ?? question.id, data: isObject(Data) ? Data : {} };
}
