import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { CpuArchitecture } from 'aws-cdk-lib/aws-ecs';
import type { Node } from 'constructs';

/** What the app can be told with `-c name=value`. */
export interface Settings {
  /** Prefix of both stacks' names, and the name under which outcomes are reported. */
  readonly app: string;
  readonly architecture: CpuArchitecture;
  readonly removalPolicy: RemovalPolicy;
  /** Only what was given; the constructs know the defaults. */
  readonly pipeline: {
    readonly natGateways?: number;
    readonly canaryTasks?: number;
    readonly stableTasksMin?: number;
    readonly stableTasksMax?: number;
    readonly backlogPerTask?: number;
    readonly cpu?: number;
    readonly memoryLimitMiB?: number;
    readonly spot?: boolean;
    readonly maxReceiveCount?: number;
    readonly visibilityTimeout?: Duration;
    readonly stopTimeout?: Duration;
    readonly alarmThreshold?: number;
    readonly approval?: 'manual' | 'automatic' | 'automatic-then-manual';
    readonly bakeTime?: Duration;
    readonly watchTime?: Duration;
    readonly decideWithin?: Duration;
    readonly margin?: number;
    readonly latencyMargin?: number;
    readonly falseRollbackRate?: number;
    readonly falsePromotionRate?: number;
    readonly unitsMin?: number;
    readonly warmUpTime?: Duration;
    readonly onNewerCommit?: 'supersede' | 'wait';
    readonly environment?: Record<string, string>;
  };
}

interface WholeNumber {
  readonly min: number;
  readonly max: number;
}

/** Raised with every problem at once when context values make no sense. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/** Reads the app's settings from the context, or throws one error that lists all that is wrong. */
export function readSettings(node: Node): Settings {
  const context = new Context(node);
  const minutes = (name: string, max: number) =>
    context.fraction(name, 0, max, (n) => Duration.seconds(Math.round(n * 60)));
  const rate = (name: string, max: number) => context.fraction(name, 0, max, (n) => n);
  const app = context.text(
    'app',
    /^[A-Za-z][A-Za-z0-9-]{0,39}$/,
    'a letter, then up to 39 letters, digits or -',
  );
  const architecture = context.choice('architecture', ['arm64', 'x86_64']);
  const removal = context.choice('removal', ['destroy', 'retain']);
  const stableTasks = context.wholeNumber('stableTasks', { min: 0, max: 1000 });
  const stableTasksMax = context.wholeNumber('stableTasksMax', { min: 1, max: 5000 });
  const retryDelay = context.wholeNumber('retryDelaySeconds', { min: 0, max: 43_200 });
  const approval = context.choice('approval', ['manual', 'automatic', 'automatic-then-manual']);
  const onNewerCommit = context.choice('onNewerCommit', ['supersede', 'wait']);
  const pipeline: Settings['pipeline'] = {
    ...some('natGateways', context.wholeNumber('natGateways', { min: 0, max: 2 })),
    ...some('canaryTasks', context.wholeNumber('canaryTasks', { min: 1, max: 100 })),
    ...some('stableTasksMin', stableTasks),
    ...some('stableTasksMax', stableTasksMax),
    ...some('backlogPerTask', context.wholeNumber('backlogPerTask', { min: 1, max: 1_000_000 })),
    ...some('cpu', context.wholeNumber('cpu', { min: 256, max: 16_384 })),
    ...some('memoryLimitMiB', context.wholeNumber('memoryMiB', { min: 512, max: 122_880 })),
    ...some('spot', context.flag('spot')),
    ...some('maxReceiveCount', context.wholeNumber('maxReceiveCount', { min: 1, max: 1000 })),
    ...some('visibilityTimeout', context.seconds('visibilityTimeoutSeconds', { min: 2, max: 43_200 })),
    ...some('stopTimeout', context.seconds('stopTimeoutSeconds', { min: 2, max: 120 })),
    ...some('alarmThreshold', context.wholeNumber('alarmThreshold', { min: 1, max: 1_000_000 })),
    ...some('approval', approval),
    ...some('bakeTime', minutes('bakeMinutes', 24 * 60)),
    ...some('watchTime', minutes('watchMinutes', 24 * 60)),
    ...some('decideWithin', minutes('decideWithinMinutes', 150)),
    ...some('margin', rate('margin', 0.5)),
    ...some('latencyMargin', rate('latencyMargin', 0.5)),
    ...some('falseRollbackRate', rate('falseRollbackRate', 0.2)),
    ...some('falsePromotionRate', rate('falsePromotionRate', 0.5)),
    ...some('unitsMin', context.wholeNumber('unitsMin', { min: 1, max: 1_000_000 })),
    ...some('warmUpTime', context.seconds('warmUpSeconds', { min: 0, max: 3600 })),
    ...some('onNewerCommit', onNewerCommit),
    ...some(
      'environment',
      retryDelay === undefined ? undefined : { RETRY_DELAY_SECONDS: String(retryDelay) },
    ),
  };
  if (stableTasks !== undefined && stableTasksMax !== undefined && stableTasksMax < stableTasks) {
    context.problems.push(
      `stableTasksMax (${stableTasksMax}) must not be below stableTasks (${stableTasks})`,
    );
  }
  for (const name of context.unknown()) {
    context.problems.push(`there is no setting ${name}; there are ${context.names().join(', ')}`);
  }
  if (context.problems.length > 0) {
    throw new SettingsError(
      `The app cannot be synthesized:\n${context.problems.map((p) => `  - ${p}`).join('\n')}`,
    );
  }
  return {
    app: app ?? 'QueueCanary',
    architecture: architecture === 'x86_64' ? CpuArchitecture.X86_64 : CpuArchitecture.ARM64,
    removalPolicy: removal === 'retain' ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    pipeline,
  };
}

/** Context values come from the command line as strings, and from `cdk.json` as JSON values. */
class Context {
  readonly problems: string[] = [];
  readonly #node: Node;
  readonly #asked = new Set<string>();

  constructor(node: Node) {
    this.#node = node;
  }

  text(name: string, pattern: RegExp, expected: string): string | undefined {
    return this.#read(name, expected, (value) => (pattern.test(value) ? value : undefined));
  }

  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    return this.#read(name, choices.join(' or '), (value) => choices.find((choice) => choice === value));
  }

  flag(name: string): boolean | undefined {
    const choice = this.choice(name, ['true', 'false']);
    return choice === undefined ? undefined : choice === 'true';
  }

  wholeNumber(name: string, { min, max }: WholeNumber): number | undefined {
    return this.#read(name, `a whole number from ${min} to ${max}`, (value) => {
      const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
      return number >= min && number <= max ? number : undefined;
    });
  }

  seconds(name: string, range: WholeNumber): Duration | undefined {
    const seconds = this.wholeNumber(name, range);
    return seconds === undefined ? undefined : Duration.seconds(seconds);
  }

  fraction<T>(name: string, min: number, max: number, convert: (value: number) => T): T | undefined {
    return this.#read(name, `a number from ${min} to ${max}`, (value) => {
      const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
      return number >= min && number <= max ? convert(number) : undefined;
    });
  }

  /** The settings that were asked for, which are all that there are. */
  names(): string[] {
    return [...this.#asked];
  }

  /** Names of given values that are no settings. Those with other characters are CDK's own. */
  unknown(): string[] {
    const given = Object.keys(this.#node.getAllContext());
    return given.filter((name) => /^[A-Za-z]+$/.test(name) && !this.#asked.has(name));
  }

  #read<T>(name: string, expected: string, parse: (value: string) => T | undefined): T | undefined {
    this.#asked.add(name);
    const given: unknown = this.#node.tryGetContext(name);
    if (given === undefined) return undefined;
    const parsed = typeof given === 'object' ? undefined : parse(String(given));
    if (parsed === undefined) this.problems.push(`${name} must be ${expected}, not ${JSON.stringify(given)}`);
    return parsed;
  }
}

type Given = Settings['pipeline'];

function some<K extends keyof Given>(key: K, value: Given[K]): Pick<Given, K> {
  return (value === undefined ? {} : { [key]: value }) as Pick<Given, K>;
}
