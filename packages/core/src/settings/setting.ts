/** A setting with everything that anybody needs to know of it: it is written here once, and read everywhere else. */
export interface Setting<T> {
  readonly kind: Kind<T>;
  readonly default: T;
  /** The default in words. */
  readonly defaultText: string;
  /** What it means, in paragraphs for people; Markdown. */
  readonly text: string;
  /** Property of the constructs that sets it. @default none does */
  readonly property?: string;
  /** Context value of the app that sets it. @default the property's name */
  readonly context?: string;
}

/** Which values a setting takes. */
export interface Kind<T> {
  /** What is wrong with a value, as the end of a sentence about its setting, or `undefined`. */
  readonly check: (value: unknown) => string | undefined;
  readonly form: Form;
  /** Never there: it lets TypeScript infer the type of the values. */
  readonly value?: T;
}

/** How a setting is written as a property of a construct, and as a context value. */
export type Form =
  | { readonly as: 'choice'; readonly type: string; readonly choices: readonly string[] }
  | { readonly as: 'number' | 'wholeNumber'; readonly min: number; readonly max: number }
  /** A `Duration` as a property, a number of the unit as a context value, and milliseconds in the policy. */
  | { readonly as: 'duration'; readonly unit: 'minutes' | 'seconds'; readonly max: number }
  | { readonly as: 'flagOrSome'; readonly type: string; readonly choices: readonly string[] }
  | { readonly as: 'some'; readonly type: string; readonly choices: readonly string[] }
  /** A list of texts; commas separate them in a context value. `expected` says in words what matches the pattern. */
  | { readonly as: 'texts'; readonly pattern: RegExp; readonly expected: string }
  | { readonly as: 'counters' };

/** One table's settings by name. */
export type Settings = Readonly<Record<string, Setting<unknown>>>;

/** The values of a table's settings. */
export type ValuesOf<S> = {
  readonly [Name in keyof S]: S[Name] extends { readonly kind: Kind<infer T> } ? T : never;
};

export function defaultsOf<S extends Settings>(settings: S): ValuesOf<S> {
  const entries = Object.entries(settings).map(([name, setting]) => [name, setting.default]);
  return Object.fromEntries(entries) as ValuesOf<S>;
}

/** One thing that is wrong with a document of settings, and what to do about it. */
export interface SettingProblem {
  /** The setting, or `''` for the document as a whole. */
  readonly setting: string;
  readonly message: string;
}

/**
 * Everything that is wrong with a document's values, each by itself. A setting that is not in the table is a problem,
 * not ignored: who wrote it relies on it.
 *
 * @param of What the settings are settings of, in words.
 * @param others Names that the caller reads itself.
 */
export function problemsIn(
  document: object,
  settings: Settings,
  of: string,
  ...others: readonly string[]
): SettingProblem[] {
  return Object.entries(document).flatMap(([setting, value]) => {
    const known = Object.hasOwn(settings, setting) ? settings[setting] : undefined;
    const wrong =
      known === undefined
        ? `is not a setting of ${of}; remove it or use one of ${[...Object.keys(settings), ...others].join(', ')}`
        : known.kind.check(value);
    return wrong === undefined ? [] : [{ setting, message: `"${setting}" ${wrong}` }];
  });
}

/** The problem of a document that is no JSON object. */
export function notAnObject(document: unknown, subject: string): SettingProblem {
  return {
    setting: '',
    message: `${subject} must be a JSON object, not ${show(document)}; use {} for the defaults`,
  };
}

export function isObject(value: unknown): value is Partial<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value as a message quotes it. */
export function show(value: unknown): string {
  if (typeof value !== 'object' && typeof value !== 'string') return String(value);
  try {
    return JSON.stringify(value);
  } catch {
    return 'a value that JSON cannot hold';
  }
}
