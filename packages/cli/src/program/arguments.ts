import { InvalidArgumentError, Option } from 'commander';

/** The option `--seed` of the commands that start an engine. */
export function seed() {
  return new Option(
    '--seed <number>',
    'seed of varying latencies and approximate counts (default: a new one each time)',
  ).argParser(wholeNumber(1, 999_999));
}

export function notEmpty(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('It must not be empty.');
  return text;
}

export function region(text: string): string {
  if (!/^[a-z]{2}(-[a-z]+)+-\d$/.test(text)) {
    throw new InvalidArgumentError('It must be the name of a region, such as eu-central-1.');
  }
  return text;
}

export function appName(text: string): string {
  if (!/^[A-Za-z][A-Za-z0-9-]{0,39}$/.test(text)) {
    throw new InvalidArgumentError('It must be a letter, then up to 39 letters, digits or -.');
  }
  return text;
}

export function collect(value: string, before: string[]): string[] {
  if (!/^[^=]+=/.test(value)) throw new InvalidArgumentError('It must have the form name=value.');
  return [...before, value];
}

export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

export function rate(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value < 1)) throw new InvalidArgumentError('It must be a number from 0, below 1.');
  return value;
}

export function factor(text: string): number {
  const value = Number(text);
  if (!(value >= 1 && value <= 1000)) throw new InvalidArgumentError('It must be a number from 1 to 1000.');
  return value;
}

export function notNegative(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1e6))
    throw new InvalidArgumentError('It must be a number from 0 to 1000000.');
  return value;
}

export function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1000))
    throw new InvalidArgumentError('It must be a number above 0, at most 1000.');
  return value;
}
