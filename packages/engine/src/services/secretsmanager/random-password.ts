import type { GetRandomPasswordRequest } from '@aws-sdk/client-secrets-manager';
import type { Ids } from '../../ids.ts';
import { invalidParameter } from './store.ts';

const LENGTH_DEFAULT = 32;
const LENGTH_MAX = 4096;
const KINDS = {
  lowercase: 'abcdefghijklmnopqrstuvwxyz',
  uppercase: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ',
  numbers: '0123456789',
  punctuation: '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~',
  space: ' ',
};

/** A password of the wanted kinds of characters, at least one of each unless told otherwise. */
export function randomPassword(ids: Pick<Ids, 'hex'>, wanted: GetRandomPasswordRequest): string {
  const length = wanted.PasswordLength ?? LENGTH_DEFAULT;
  if (!Number.isInteger(length) || length < 1 || length > LENGTH_MAX) {
    throw invalidParameter(`PasswordLength: ${length} is not a whole number from 1 to ${LENGTH_MAX}.`);
  }
  const kinds = [
    wanted.ExcludeLowercase ? '' : KINDS.lowercase,
    wanted.ExcludeUppercase ? '' : KINDS.uppercase,
    wanted.ExcludeNumbers ? '' : KINDS.numbers,
    wanted.ExcludePunctuation ? '' : KINDS.punctuation,
    wanted.IncludeSpace ? KINDS.space : '',
  ].map((kind) => [...kind].filter((letter) => !wanted.ExcludeCharacters?.includes(letter)).join(''));
  const used = kinds.filter((kind) => kind !== '');
  const required = (wanted.RequireEachIncludedType ?? true) ? used : [];
  if (used.length === 0 || required.length > length) {
    throw invalidParameter('The password cannot be made: too few characters are left, or it is too short.');
  }
  const below = (count: number) => Number.parseInt(ids.hex(8), 16) % count;
  const letterOf = (letters: string) => letters[below(letters.length)]!;
  const letters = Array.from({ length }, (_, index) => letterOf(required[index] ?? used.join('')));
  for (let index = length - 1; index > 0; index--) {
    const other = below(index + 1);
    [letters[index], letters[other]] = [letters[other]!, letters[index]!];
  }
  return letters.join('');
}
