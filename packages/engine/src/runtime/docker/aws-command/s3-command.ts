import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, posix, resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { S3Client } from '@aws-sdk/client-s3';
import { UserError } from '../../../errors.ts';
import type { ClientSettings } from './call-operation.ts';

export interface S3CommandOptions {
  readonly cwd: string;
  readonly print: (line: string) => void;
  /** Writes bytes to standard output as they are. */
  readonly write: (bytes: Uint8Array) => void;
  readonly readInput: () => Promise<Buffer>;
}

/** Options that change what is printed, or that S3 only records. */
const FLAGS = ['quiet', 'only-show-errors', 'no-progress', 'recursive'];
const VALUES = ['sse', 'sse-kms-key-id', 'content-type', 'acl'];

/** `aws s3 cp`, `ls` and `rm`: between this machine and a bucket, one object or, with `--recursive`, all below. */
export async function s3Command(
  args: readonly string[],
  settings: ClientSettings,
  options: S3CommandOptions,
): Promise<void> {
  const [command = '', ...rest] = args;
  const { words, flags, values } = read(command, rest);
  const { S3Client } = await import('@aws-sdk/client-s3');
  const job = new Transfer(new S3Client({ ...settings, forcePathStyle: true }), options, flags, values);
  const count = command === 'cp' ? 2 : 1;
  if (words.length !== count && !(command === 'ls' && words.length === 0))
    throw new UserError(
      'Usage',
      `aws s3 ${command} takes ${count} path${count === 1 ? '' : 's'}, not ${words.length}`,
    );
  if (command === 'ls') await job.list(words[0] ?? 's3://');
  else if (command === 'rm') await job.remove(words[0]!);
  else await job.copy(words[0]!, words[1]!);
}

function read(command: string, rest: readonly string[]) {
  if (!['cp', 'ls', 'rm'].includes(command))
    throw new UserError(
      'Usage',
      `"aws s3 ${command}" is not supported by the engine's own aws command, which has s3 cp, ls and rm; install the AWS CLI, 2.13 or later`,
    );
  const words: string[] = [];
  const flags = new Set<string>();
  const values = new Map<string, string>();
  for (let index = 0; index < rest.length; index++) {
    const word = rest[index]!;
    const name = word.slice(2);
    if (!word.startsWith('--')) words.push(word);
    else if (FLAGS.includes(name)) flags.add(name);
    else if (VALUES.includes(name) && rest[index + 1] !== undefined) values.set(name, rest[++index]!);
    else if (name === 'sse') values.set(name, 'AES256');
    else
      throw new UserError(
        'Usage',
        `the option ${word} of aws s3 ${command} is not supported by the engine's own aws command; install the AWS CLI, 2.13 or later`,
      );
  }
  return { words, flags, values };
}

class Transfer {
  readonly #client: S3Client;
  readonly #options: S3CommandOptions;
  readonly #flags: ReadonlySet<string>;
  readonly #values: ReadonlyMap<string, string>;

  constructor(
    client: S3Client,
    options: S3CommandOptions,
    flags: ReadonlySet<string>,
    values: ReadonlyMap<string, string>,
  ) {
    this.#client = client;
    this.#options = options;
    this.#flags = flags;
    this.#values = values;
  }

  async copy(from: string, to: string): Promise<void> {
    const [source, target] = [place(from), place(to)];
    if (source !== undefined && target !== undefined)
      throw new UserError(
        'Usage',
        'aws s3 cp from bucket to bucket is not supported by the local engine; copy to a file first, and from there',
      );
    if (source === undefined && target === undefined)
      throw new UserError('Usage', 'aws s3 cp needs a path that begins with s3://');
    const recursive = this.#flags.has('recursive');
    if (target !== undefined) {
      const path = resolve(this.#options.cwd, from);
      if (from === '-') return this.#upload(await this.#options.readInput(), from, target.bucket, target.key);
      if (!recursive)
        return this.#upload(readFile(path), from, target.bucket, keyFor(target.key, basename(path)));
      for (const file of filesBelow(path))
        await this.#upload(
          readFile(join(path, file)),
          join(from, file),
          target.bucket,
          posix.join(target.key, file),
        );
      return;
    }
    const { bucket, key } = source!;
    if (!recursive) return this.#download(bucket, key, to);
    for (const found of await this.#keys(bucket, key))
      await this.#download(bucket, found, join(to, found.slice(key.length).replace(/^\//, '')));
  }

  async remove(path: string): Promise<void> {
    const { bucket, key } = required(path);
    const { DeleteObjectCommand } = await import('@aws-sdk/client-s3');
    const keys = this.#flags.has('recursive') ? await this.#keys(bucket, key) : [key];
    for (const Key of keys) {
      await this.#client.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
      this.#say(`delete: s3://${bucket}/${Key}`);
    }
  }

  async list(path: string): Promise<void> {
    const { bucket, key } = required(path);
    const { ListBucketsCommand, paginateListObjectsV2 } = await import('@aws-sdk/client-s3');
    if (bucket === '') {
      const { Buckets = [] } = await this.#client.send(new ListBucketsCommand({}));
      for (const { Name, CreationDate } of Buckets) this.#options.print(`${timeOf(CreationDate)} ${Name}`);
      return;
    }
    const flat = this.#flags.has('recursive');
    const pages = paginateListObjectsV2(
      { client: this.#client },
      { Bucket: bucket, Prefix: key, ...(flat ? {} : { Delimiter: '/' }) },
    );
    const start = flat ? 0 : key.lastIndexOf('/') + 1;
    let found = 0;
    for await (const { CommonPrefixes = [], Contents = [] } of pages) {
      found += CommonPrefixes.length + Contents.length;
      for (const { Prefix = '' } of CommonPrefixes)
        this.#options.print(`${'PRE'.padStart(30)} ${Prefix.slice(start)}`);
      for (const { Key = '', Size = 0, LastModified } of Contents)
        this.#options.print(`${timeOf(LastModified)} ${String(Size).padStart(10)} ${Key.slice(start)}`);
    }
    // The CLI's own way to say that nothing is there is its status alone.
    if (found === 0 && key !== '')
      throw new UserError('NotFound', `there is nothing at s3://${bucket}/${key}`);
  }

  async #upload(body: Buffer, from: string, bucket: string, key: string): Promise<void> {
    const { PutObjectCommand } = await import('@aws-sdk/client-s3');
    const value = (name: string) => this.#values.get(name);
    await this.#client.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        Body: body,
        ContentType: value('content-type'),
        ServerSideEncryption: value('sse') as 'aws:kms' | undefined,
        SSEKMSKeyId: value('sse-kms-key-id'),
      }),
    );
    this.#say(`upload: ${from} to s3://${bucket}/${key}`);
  }

  async #download(bucket: string, key: string, to: string): Promise<void> {
    const { GetObjectCommand } = await import('@aws-sdk/client-s3');
    const { Body } = await this.#client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    const bytes = await buffer(Body as AsyncIterable<Uint8Array>);
    if (to === '-') return this.#options.write(bytes);
    const path = resolve(this.#options.cwd, to);
    const directory =
      /\/$|(^|\/)\.{1,2}$/.test(to) || statSync(path, { throwIfNoEntry: false })?.isDirectory();
    const target = directory ? join(path, posix.basename(key)) : path;
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, bytes);
    this.#say(`download: s3://${bucket}/${key} to ${to}`);
  }

  async #keys(bucket: string, prefix: string): Promise<string[]> {
    const { paginateListObjectsV2 } = await import('@aws-sdk/client-s3');
    const keys: string[] = [];
    const pages = paginateListObjectsV2({ client: this.#client }, { Bucket: bucket, Prefix: prefix });
    for await (const { Contents = [] } of pages) keys.push(...Contents.map(({ Key = '' }) => Key));
    return keys;
  }

  #say(line: string): void {
    if (!this.#flags.has('quiet') && !this.#flags.has('only-show-errors')) this.#options.print(line);
  }
}

function place(path: string): { bucket: string; key: string } | undefined {
  const [, bucket, key = ''] = /^s3:\/\/([^/]*)\/?(.*)$/s.exec(path) ?? [];
  return bucket === undefined ? undefined : { bucket, key };
}

function required(path: string): { bucket: string; key: string } {
  const found = place(path);
  if (found === undefined) throw new UserError('Usage', `"${path}" must begin with s3://`);
  return found;
}

function keyFor(key: string, name: string): string {
  return key === '' || key.endsWith('/') ? `${key}${name}` : key;
}

function readFile(path: string): Buffer {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true)
    throw new UserError('NoFile', `The user-provided path ${path} does not exist, or is a directory.`);
  return readFileSync(path);
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => posix.relative(directory, join(entry.parentPath, entry.name)))
    .sort();
}

function timeOf(date: Date | undefined): string {
  return (date ?? new Date(0)).toISOString().slice(0, 19).replace('T', ' ');
}
