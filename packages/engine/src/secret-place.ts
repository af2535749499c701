import type { Engine } from './dispatch/service.ts';
import { parseBoundedJson } from './document-bounds.ts';
import type { Principal } from './iam/principal.ts';

/** Where a text is in Secrets Manager: in the current version, unless a label or a version is named. */
export interface SecretPlace {
  /** Name or ARN. */
  readonly secretId: string;
  /** Member of the secret, which is then a JSON object. */
  readonly key: string | undefined;
  readonly stage: string | undefined;
  readonly versionId: string | undefined;
}

const REFERENCE = /^(arn:aws:secretsmanager:[^:]*:\d*:secret:[^:]+|[^:]+)(?::(.*))?$/;

/** `secret:more:of:it` as the secret's name or ARN and the fields after it; `undefined` if there is no secret. */
export function splitReference(
  reference: string,
): { readonly secretId: string; readonly fields: readonly string[] } | undefined {
  const [, secretId, rest] = REFERENCE.exec(reference) ?? [];
  return secretId === undefined ? undefined : { secretId, fields: rest?.split(':') ?? [] };
}

/** The place that the fields key, label and version name, each of which may be empty; `undefined` if they name none. */
export function secretPlace(secretId: string, fields: readonly string[]): SecretPlace | undefined {
  const [key, stage, versionId] = fields.map((field) => field || undefined);
  if (fields.length > 3 || (stage !== undefined && versionId !== undefined)) return undefined;
  return { secretId, key, stage, versionId };
}

/** Reads a text as `principal`; `undefined` if the secret has no text, or no such member. */
export async function readSecret(
  engine: Pick<Engine, 'call'>,
  principal: Principal,
  { secretId, key, stage, versionId }: SecretPlace,
): Promise<string | undefined> {
  const { SecretString: text } = await engine.call(principal, 'secretsmanager', 'GetSecretValue', {
    SecretId: secretId,
    ...(stage === undefined ? {} : { VersionStage: stage }),
    ...(versionId === undefined ? {} : { VersionId: versionId }),
  });
  return key === undefined || text === undefined ? text : memberOf(text, key);
}

function memberOf(text: string, key: string): string | undefined {
  let value: unknown;
  try {
    value = parseBoundedJson(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  const member = (value as Record<string, unknown>)[key];
  return typeof member === 'string' ? member : JSON.stringify(member);
}
