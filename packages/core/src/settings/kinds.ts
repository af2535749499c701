import { type Kind, show } from './setting.ts';

/** One of a few names. `type` is the name of their union. */
export function oneOf<T extends string>(type: string, ...choices: readonly T[]): Kind<T> {
  return {
    check: (value) =>
      choices.some((choice) => choice === value)
        ? undefined
        : `must be ${choices.map((choice) => `"${choice}"`).join(' or ')}, not ${show(value)}`,
    form: { as: 'choice', type, choices },
  };
}

/** A number with a meaning, such as a probability. */
export function between(min: number, max: number, meaning: string): Kind<number> {
  return {
    check: (value) =>
      typeof value === 'number' && value >= min && value <= max
        ? undefined
        : `must be ${meaning} from ${min} to ${max}, not ${show(value)}`,
    form: { as: 'number', min, max },
  };
}

/** A number of messages, one or more. */
export const messages: Kind<number> = {
  check: (value) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= 1
      ? undefined
      : `must be a whole number of messages, 1 or more, not ${show(value)}`,
  form: { as: 'wholeNumber', min: 1, max: 1_000_000 },
};

/** A time in whole milliseconds. `unit` is that of the context value, `contextMax` its largest. */
export function duration(
  [maxMs, maxText]: readonly [number, string],
  unit: 'minutes' | 'seconds',
  contextMax: number,
): Kind<number> {
  return {
    check: (value) =>
      typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= maxMs
        ? undefined
        : `must be between 0 and ${maxMs} ms (${maxText}), in whole milliseconds, not ${show(value)}`,
    form: { as: 'duration', unit, max: contextMax },
  };
}

/** A list of texts. `wrong` says what is wrong with one, as the end of a sentence about it. */
export function texts(
  wrong: (text: string) => string | undefined,
  form: { readonly pattern: RegExp; readonly expected: string },
): Kind<readonly string[]> {
  return {
    check: (value) => {
      if (!Array.isArray(value) || !value.every((each) => typeof each === 'string')) {
        return `must be a list of texts, not ${show(value)}`;
      }
      for (const text of value) {
        const problem = wrong(text);
        if (problem !== undefined) return `has ${show(text)}, which ${problem}`;
      }
      return undefined;
    },
    form: { as: 'texts', ...form },
  };
}
