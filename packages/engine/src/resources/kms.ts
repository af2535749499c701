import { recordedOnly } from './recorded-only.ts';
import { document, flag, number, required, tags, text } from './schema.ts';

/**
 * Keys of KMS: kept with an id and an ARN, which buckets, queues and artifacts may name. Nothing is encrypted here, so
 * their policies have nothing to permit.
 */
export const kmsKey = recordedOnly('AWS::KMS::Key', {
  properties: {
    BypassPolicyLockoutSafetyCheck: flag,
    Description: text,
    EnableKeyRotation: flag,
    Enabled: flag,
    KeyPolicy: document,
    KeySpec: text,
    KeyUsage: text,
    MultiRegion: flag,
    Origin: text,
    PendingWindowInDays: number,
    RotationPeriodInDays: number,
    Tags: tags,
  },
  createOnly: ['KeySpec', 'KeyUsage', 'MultiRegion', 'Origin'],
  attributes: ['Arn', 'KeyId'],
  make(context) {
    const hex = context.hex(32);
    const id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    return {
      id,
      attributes: { Arn: `arn:aws:kms:${context.region}:${context.accountId}:key/${id}`, KeyId: id },
    };
  },
});

export const kmsAlias = recordedOnly('AWS::KMS::Alias', {
  properties: { AliasName: required(text), TargetKeyId: required(text) },
  createOnly: ['AliasName'],
  make: (_context, alias) => ({ id: alias.AliasName }),
});
