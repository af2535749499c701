import { recordedOnly } from './recorded-only.ts';
import type { ResourceType } from './resource-type.ts';
import { document, flag, number, required, tags, text } from './schema.ts';

/** Keys encrypt nothing here, and there is no KMS to call: they are kept so that what names them can be made. */
export const KMS_TYPES: readonly ResourceType[] = [
  recordedOnly('AWS::KMS::Key', {
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
      const id = [8, 4, 4, 4, 12].map((length) => context.hex(length)).join('-');
      const Arn = `arn:aws:kms:${context.region}:${context.accountId}:key/${id}`;
      return { id, attributes: { Arn, KeyId: id } };
    },
  }),
  recordedOnly('AWS::KMS::Alias', {
    properties: { AliasName: required(text), TargetKeyId: required(text) },
    createOnly: ['AliasName'],
    attributes: ['AliasName'],
    make: (_context, { AliasName }) => ({ id: AliasName, attributes: { AliasName } }),
  }),
];
