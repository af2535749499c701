import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { type Principal, viaService } from '../../iam/principal.ts';
import type { Input } from '../../sdk/services.ts';
import type { CodeStore } from './code-store.ts';
import { type FunctionReference, functionArn } from './function-reference.ts';
import { invalidParameter } from './function-settings.ts';
import type { FunctionRunner, Invoker } from './invoker.ts';
import type { RoleSessions } from './role-sessions.ts';
import { type FunctionExtras, LATEST, type LambdaStore, type StoredFunction } from './store.ts';

type CodeInput = NonNullable<Input<'lambda', 'CreateFunction'>['Code']>;

interface FunctionsParts {
  readonly store: LambdaStore;
  readonly code: CodeStore;
  readonly runner: FunctionRunner;
  readonly invoker: Invoker;
  readonly sessions: RoleSessions;
}

/** The functions of the account: found, stored, published and forgotten. */
export class Functions {
  readonly #engine: Engine;
  readonly #parts: FunctionsParts;
  /** Whether there may be code that nothing refers to. */
  #unswept = true;

  constructor(engine: Engine, parts: FunctionsParts) {
    this.#engine = engine;
    this.#parts = parts;
    parts.invoker.onRoom(() => this.sweep());
  }

  /**
   * The function, or the version that `qualifier` names or points to; of an alias's two the one that is drawn. Fails with
   * `ResourceNotFoundException`.
   */
  find({ name, qualifier }: FunctionReference, draw?: () => number): StoredFunction {
    const fn = this.#parts.store.version(name, qualifier ?? LATEST, draw);
    if (fn) return fn;
    throw new AwsFault(
      'ResourceNotFoundException',
      `Function not found: ${functionArn(this.#engine, name, qualifier)}`,
      404,
    );
  }

  extras(name: string): FunctionExtras {
    return this.#parts.store.extras.get(name) ?? { tags: {}, lastPublishedVersion: 0 };
  }

  /** Refuses a change that was made for another revision of the function. */
  checkRevision(revisionId: string | undefined, current: string | undefined): void {
    if (revisionId === undefined || revisionId === current) return;
    throw new AwsFault(
      'PreconditionFailedException',
      'The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id',
      412,
    );
  }

  /** Bytes of the zip file that a caller names, from S3 with the caller's own permissions. */
  async zipOf(principal: Principal, code: CodeInput): Promise<Uint8Array> {
    if (code.ImageUri !== undefined) {
      throw invalidParameter('ImageUri: the local engine runs functions from zip files only.');
    }
    if (code.SourceKMSKeyArn !== undefined) {
      throw invalidParameter('SourceKMSKeyArn: not supported by the local engine; leave it out.');
    }
    if (code.ZipFile !== undefined) {
      if (code.S3Bucket !== undefined || code.S3Key !== undefined) {
        throw invalidParameter(
          'Please do not provide other FunctionCode parameters when providing a ZipFile.',
        );
      }
      return code.ZipFile;
    }
    if (code.S3Bucket === undefined || code.S3Key === undefined) {
      throw invalidParameter('Please provide a source for function code: ZipFile, or S3Bucket and S3Key.');
    }
    try {
      const { Body } = await this.#engine.call(
        viaService(principal, 'lambda.amazonaws.com'),
        's3',
        'GetObject',
        {
          Bucket: code.S3Bucket,
          Key: code.S3Key,
          ...(code.S3ObjectVersion === undefined ? {} : { VersionId: code.S3ObjectVersion }),
        },
      );
      return Body ?? new Uint8Array();
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      throw invalidParameter(
        `Error occurred while GetObject of s3://${code.S3Bucket}/${code.S3Key}. S3 Error Code: ${error.code}. S3 Error Message: ${error.message}`,
      );
    }
  }

  /** Stores a new state of the function under a new revision; its warm processes are not used again. */
  put(fn: Omit<StoredFunction, 'revisionId' | 'modifiedAtMs'>): StoredFunction {
    const { ids, clock } = this.#engine;
    const stored = { ...fn, revisionId: ids.uuid(), modifiedAtMs: clock.nowMs() };
    this.#parts.store.functions.put(`${fn.name}:${fn.version}`, stored);
    this.#parts.runner.retire(functionArn(this.#engine, fn.name));
    this.#unswept = true;
    this.sweep();
    return stored;
  }

  putExtras(name: string, change: Partial<FunctionExtras>): void {
    this.#parts.store.extras.put(name, { ...this.extras(name), ...change });
  }

  /** Makes a version of what the function is now; the newest version again when nothing has changed since. */
  publish(fn: StoredFunction, description: string | undefined): StoredFunction {
    const { store } = this.#parts;
    const { lastPublishedVersion } = this.extras(fn.name);
    const newest = store.functions.get(`${fn.name}:${lastPublishedVersion}`);
    const settings = description === undefined ? fn.settings : { ...fn.settings, description };
    if (newest && sameContent(newest, fn)) return newest;
    const version = String(lastPublishedVersion + 1);
    this.putExtras(fn.name, { lastPublishedVersion: Number(version) });
    const published = { ...fn, version, settings, revisionId: this.#engine.ids.uuid() };
    return store.functions.put(`${fn.name}:${version}`, published);
  }

  /** Forgets one version, or without one the function with everything that belongs to it. */
  remove(name: string, version: string | undefined): void {
    const { store, runner, sessions } = this.#parts;
    const gone = version === undefined ? store.versionsOf(name) : [this.find({ name, qualifier: version })];
    for (const fn of gone) {
      store.functions.delete(`${name}:${fn.version}`);
      runner.retire(functionArn(this.#engine, name, fn.version === LATEST ? undefined : fn.version));
    }
    if (version === undefined) {
      store.remove(name);
      sessions.forget(name);
    }
    this.#unswept = true;
    this.sweep();
  }

  /** Removes code that nothing refers to, once no process can still be reading it. */
  sweep(): void {
    const { store, code, invoker } = this.#parts;
    if (!this.#unswept || !invoker.idle) return;
    this.#unswept = false;
    code.keepOnly(Array.from(store.functions.values(), (fn) => fn.code));
  }
}

function sameContent(a: StoredFunction, b: StoredFunction): boolean {
  const content = ({ code, architectures, settings: { description: _, ...settings } }: StoredFunction) =>
    JSON.stringify([code, architectures, Object.entries(settings).sort(([x], [y]) => (x < y ? -1 : 1))]);
  return content(a) === content(b);
}
