import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import { readSecret, secretPlace, splitReference } from '../../secret-place.ts';
import { TaskStartError } from './task-start-error.ts';

/** Values of a container's `secrets`, read with the execution role. */
export async function containerSecrets(
  engine: Engine,
  role: Principal | undefined,
  secrets: ReadonlyArray<{ name: string | undefined; valueFrom: string | undefined }>,
): Promise<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const { name, valueFrom = '' } of secrets) {
    const fromSecrets = valueFrom.startsWith('arn:aws:secretsmanager:');
    const failed = (why: string) =>
      new TaskStartError(
        `ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve ${fromSecrets ? 'secret from asm' : 'secrets from ssm'}: service call has been retried 1 time(s): ${why}`,
      );
    if (!role) throw failed('the task definition has no execution role');
    try {
      const value = await (fromSecrets
        ? secret(engine, role, valueFrom)
        : parameter(engine, role, valueFrom));
      if ('missing' in value) throw failed(value.missing);
      values[name ?? ''] = value.text;
    } catch (error) {
      throw error instanceof AwsFault ? failed(`${error.code}: ${error.message}`) : error;
    }
  }
  return values;
}

type Value = { readonly text: string } | { readonly missing: string };

async function parameter(engine: Engine, role: Principal, name: string): Promise<Value> {
  const { Parameters } = await engine.call(role, 'ssm', 'GetParameters', {
    Names: [name],
    WithDecryption: true,
  });
  const text = Parameters?.[0]?.Value;
  return text === undefined ? { missing: `invalid parameters: ${name}` } : { text };
}

/** `arn:...:secret:NAME-SUFFIX`, and what may follow: a key of its JSON, a label and a version, with all their colons. */
async function secret(engine: Engine, role: Principal, valueFrom: string): Promise<Value> {
  const { secretId = '', fields = [] } = splitReference(valueFrom) ?? {};
  const place = [0, 3].includes(fields.length) ? secretPlace(secretId, fields) : undefined;
  if (!place) {
    return { missing: 'unexpected ARN format with parameters when trying to retrieve ASM secret' };
  }
  const text = await readSecret(engine, role, place);
  return text === undefined
    ? { missing: `retrieved secret from Secrets Manager did not contain json key ${place.key}` }
    : { text };
}
