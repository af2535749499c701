import {
  type CounterPolicy,
  type Form,
  policySettings,
  type ReleasePolicyError,
  type ReleasePolicyProps,
} from '@queue-canary/constructs';
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { CpuArchitecture } from 'aws-cdk-lib/aws-ecs';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Node } from 'constructs';

/** The settings of the app, given as `-c name=value`. */
export interface Settings {
  /** Prefix of both stacks' names, and the name under which outcomes are reported. */
  readonly app: string;
  readonly architecture: CpuArchitecture;
  readonly removalPolicy: RemovalPolicy;
  /** ARN of the key that encrypts everything. */
  readonly keyArn: string | undefined;
  readonly logRetention: RetentionDays | undefined;
  readonly imageCountMax: number | undefined;
  /** Existing ECR repository whose images are released; without it, the app builds them from commits. */
  readonly imageRepository: string | undefined;
  /** Only what was given; the constructs know the defaults. */
  readonly pipeline: ReleasePolicyProps & {
    readonly natGateways?: number;
    readonly availabilityZones?: readonly string[];
    readonly canaryTasks?: number;
    readonly stableTasksMin?: number;
    readonly stableTasksMax?: number;
    readonly backlogPerTask?: number;
    readonly cpu?: number;
    readonly memoryLimitMiB?: number;
    readonly spot?: boolean;
    readonly containerInsights?: boolean;
    readonly protectTasks?: 'stable' | 'all';
    readonly judgeConfiguration?: boolean;
    readonly user?: string;
    readonly readonlyRootFilesystem?: boolean;
    readonly egressPorts?: readonly number[];
    readonly restrictDefaultSecurityGroup?: boolean;
    readonly reservedConcurrentExecutions?: number;
    readonly maxReceiveCount?: number;
    readonly visibilityTimeout?: Duration;
    readonly stopTimeout?: Duration;
    readonly environment?: Record<string, string>;
  };
}

/** Days for which CloudWatch Logs can keep a log. */
const RETENTION_DAYS = Object.values(RetentionDays)
  .filter((days) => typeof days === 'number' && days < RetentionDays.INFINITE)
  .map(String);

interface WholeNumber {
  readonly min: number;
  readonly max: number;
}

/** Raised with every problem at once when context values make no sense. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/** Properties of the policy with the context values that set them. */
const POLICY: ReadonlyMap<string, { readonly context: string; readonly form: Form }> = new Map(
  [...policySettings.values()].flatMap(({ property, context = property, kind }) =>
    property === undefined || context === undefined ? [] : [[property, { context, form: kind.form }]],
  ),
);

/** What the constructs say of a policy that is impossible, by the names of the context values that make it so. */
export function inContextNames({ message }: ReleasePolicyError): string {
  return message.replaceAll(/\b[A-Za-z]+\b/g, (word) =>
    word === 'visibilityTimeout' ? 'visibilityTimeoutSeconds' : (POLICY.get(word)?.context ?? word),
  );
}

/** Reads the app's settings from the context, or throws one error that lists all that is wrong. */
export function readSettings(node: Node): Settings {
  const context = new Context(node);
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
  const protectTasks = context.choice('protectTasks', ['off', 'stable', 'all']);
  const keyArn = context.text(
    'keyArn',
    /^arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key\/[\w-]+$/,
    'the ARN of a KMS key (arn:aws:kms:REGION:ACCOUNT:key/ID; not of an alias)',
  );
  const zones = context.text(
    'availabilityZones',
    /^[a-z0-9-]+, *[a-z0-9-]+$/,
    'the names of two zones with a comma between them (ap-northeast-1a,ap-northeast-1c)',
  );
  const logRetentionDays = context.choice('logRetentionDays', RETENTION_DAYS);
  const images = imageSettings(context);
  const pipeline: Settings['pipeline'] = {
    ...some('natGateways', context.wholeNumber('natGateways', { min: 0, max: 2 })),
    ...some(
      'availabilityZones',
      zones?.split(',').map((zone) => zone.trim()),
    ),
    ...some('canaryTasks', context.wholeNumber('canaryTasks', { min: 1, max: 100 })),
    ...some('stableTasksMin', stableTasks),
    ...some('stableTasksMax', stableTasksMax),
    ...some('backlogPerTask', context.wholeNumber('backlogPerTask', { min: 1, max: 1_000_000 })),
    ...some('cpu', context.wholeNumber('cpu', { min: 256, max: 16_384 })),
    ...some('memoryLimitMiB', context.wholeNumber('memoryMiB', { min: 512, max: 122_880 })),
    ...some('spot', context.flag('spot')),
    ...some('containerInsights', context.flag('containerInsights')),
    ...some('protectTasks', protectTasks === 'off' ? undefined : protectTasks),
    ...some('judgeConfiguration', context.flag('judgeConfiguration')),
    ...some('user', context.text('user', /^[\w.-]+(:[\w.-]+)?$/, 'a user, or user:group, by id or name')),
    ...some('readonlyRootFilesystem', context.flag('readonlyRootFilesystem')),
    ...some('egressPorts', context.ports('egressPorts')),
    ...some('restrictDefaultSecurityGroup', context.flag('restrictDefaultSecurityGroup')),
    ...some(
      'reservedConcurrentExecutions',
      context.wholeNumber('reservedConcurrentExecutions', { min: 3, max: 1000 }),
    ),
    ...some('maxReceiveCount', context.wholeNumber('maxReceiveCount', { min: 1, max: 1000 })),
    ...some('visibilityTimeout', context.seconds('visibilityTimeoutSeconds', { min: 2, max: 43_200 })),
    ...some('stopTimeout', context.seconds('stopTimeoutSeconds', { min: 2, max: 120 })),
    ...policyProperties(context),
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
    context.problems.push(`unknown setting ${name}; the settings are ${context.names().join(', ')}`);
  }
  if (context.problems.length > 0) {
    throw new SettingsError(
      `The app cannot be synthesized:\n${context.problems.map((p) => `  - ${p}`).join('\n')}`,
    );
  }
  return {
    app: app ?? 'QueueCanary',
    architecture: architecture === 'x86_64' ? CpuArchitecture.X86_64 : CpuArchitecture.ARM64,
    removalPolicy: removal === 'destroy' ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    keyArn,
    logRetention: logRetentionDays === undefined ? undefined : Number(logRetentionDays),
    ...images,
    pipeline,
  };
}

/** Where the images come from, and how many are kept. */
function imageSettings(context: Context): Pick<Settings, 'imageCountMax' | 'imageRepository'> {
  const imageCountMax = context.wholeNumber('imageCountMax', { min: 10, max: 10_000 });
  const imageRepository = context.text(
    'imageRepository',
    /^[a-z0-9][a-z0-9._/-]{1,255}$/,
    'the name of an ECR repository, without the registry (team/worker)',
  );
  if (imageRepository !== undefined && imageCountMax !== undefined) {
    context.problems.push(
      'imageCountMax is of the repository that the app makes, and imageRepository names one of yours: leave one of them out',
    );
  }
  return { imageCountMax, imageRepository };
}

/** The policy's properties that the context gives; the constructs check what they mean together. */
function policyProperties(context: Context): ReleasePolicyProps {
  const given = [...POLICY].flatMap(([property, { context: name, form }]) => {
    const value = context.setting(name, form);
    return value === undefined ? [] : [[property, value]];
  });
  return Object.fromEntries(given);
}

/** Context values come from the command line as strings, and from `cdk.json` as JSON values. */
class Context {
  readonly problems: string[] = [];
  readonly #node: Node;
  readonly #asked = new Set<string>();

  constructor(node: Node) {
    this.#node = node;
  }

  /** A setting of the policy, as the constructs take it. */
  setting(name: string, form: Form): unknown {
    switch (form.as) {
      case 'choice':
        return this.choice(name, form.choices);
      case 'number':
        return this.number(name, form);
      case 'wholeNumber':
        return this.wholeNumber(name, form);
      case 'duration':
        return form.unit === 'minutes'
          ? this.minutes(name, form)
          : this.seconds(name, { min: 0, max: form.max });
      case 'flagOrSome':
        return this.flagOrSome(name, form.choices);
      case 'some':
        return this.some(name, form.choices);
      case 'texts':
        return this.texts(name, form);
      case 'counters':
        return this.counters(name);
    }
  }

  text(name: string, pattern: RegExp, expected: string): string | undefined {
    return this.#read(name, expected, (value) => (pattern.test(value) ? value : undefined));
  }

  /** What each may be exactly is for the constructs to say. */
  texts(
    name: string,
    { pattern, expected }: { readonly pattern: RegExp; readonly expected: string },
  ): readonly string[] | undefined {
    return this.#read(name, expected, (value) => {
      const texts = value.split(',').map((each) => each.trim());
      return texts.every((text) => pattern.test(text)) ? texts : undefined;
    });
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

  minutes(name: string, { max }: { readonly max: number }): Duration | undefined {
    const minutes = this.number(name, { max });
    return minutes === undefined ? undefined : Duration.seconds(Math.round(minutes * 60));
  }

  /** Whether it is large enough is for the constructs to say. */
  number(name: string, { max }: { readonly max: number }): number | undefined {
    return this.#read(name, `a number from 0 to ${max}`, (value) => {
      const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
      return number <= max ? number : undefined;
    });
  }

  ports(name: string): readonly number[] | undefined {
    return this.#read(name, 'ports from 1 to 65535 with commas between them', (value) => {
      const ports = value.split(',').map((each) => (/^\d+$/.test(each.trim()) ? Number(each) : 0));
      return ports.every((port) => port >= 1 && port <= 65_535) ? ports : undefined;
    });
  }

  /** `true`, `false`, or some of the choices with commas between them; in a `cdk.json` also as an array. */
  flagOrSome<T extends string>(name: string, choices: readonly T[]): boolean | readonly T[] | undefined {
    const text = this.#text(name);
    if (text === 'true' || text === 'false') return text === 'true';
    return this.#chosen(name, text, choices, `true, false or one or more of ${choices.join(',')}`);
  }

  /** Some of the choices with commas between them; in a `cdk.json` also as an array. */
  some<T extends string>(name: string, choices: readonly T[]): readonly T[] | undefined {
    return this.#chosen(name, this.#text(name), choices, `one or more of ${choices.join(',')}`);
  }

  #text(name: string): string | undefined {
    const given = this.#given(name);
    if (given === undefined) return undefined;
    return Array.isArray(given) ? given.join(',') : String(given);
  }

  #chosen<T extends string>(
    name: string,
    text: string | undefined,
    choices: readonly T[],
    expected: string,
  ): readonly T[] | undefined {
    if (text === undefined) return undefined;
    const chosen = text.split(',').map((each) => choices.find((choice) => choice === each.trim()));
    if (chosen.every((choice) => choice !== undefined)) return chosen;
    this.problems.push(`${name} must be ${expected}, not ${JSON.stringify(this.#given(name))}`);
    return undefined;
  }

  /** Counters as `shipped:less:0.25,retries:more:0.5` or as JSON; what JSON holds is left to the constructs. */
  counters(name: string): Readonly<Record<string, CounterPolicy>> | undefined {
    const given = this.#given(name);
    if (given === undefined) return undefined;
    if (typeof given === 'object') return given as Record<string, CounterPolicy>;
    const text = String(given);
    if (text.startsWith('{')) {
      try {
        return JSON.parse(text) as Record<string, CounterPolicy>;
      } catch (error) {
        this.problems.push(`${name} is not valid JSON: ${(error as Error).message}`);
        return undefined;
      }
    }
    const counters = new Map<string, CounterPolicy>();
    for (const part of text.split(',')) {
      const [, counter, worse, tolerance] = /^(.+):(less|more):(\d+(?:\.\d+)?)$/.exec(part.trim()) ?? [];
      if (counter === undefined) {
        this.problems.push(
          `${name} must be name:less:part or name:more:part, with commas between them (shipped:less:0.25,retries:more:0.5), or JSON, not ${JSON.stringify(part)}`,
        );
      } else if (counters.has(counter)) {
        this.problems.push(`${name} has ${JSON.stringify(counter)} twice`);
      } else {
        counters.set(counter, { worse: worse === 'less' ? 'less' : 'more', tolerance: Number(tolerance) });
      }
    }
    return Object.fromEntries(counters);
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
    const given = this.#given(name);
    if (given === undefined) return undefined;
    const parsed = typeof given === 'object' ? undefined : parse(String(given));
    if (parsed === undefined) this.problems.push(`${name} must be ${expected}, not ${JSON.stringify(given)}`);
    return parsed;
  }

  #given(name: string): unknown {
    this.#asked.add(name);
    return this.#node.tryGetContext(name);
  }
}

type Given = Settings['pipeline'];

function some<K extends keyof Given>(key: K, value: Given[K]): Pick<Given, K> {
  return (value === undefined ? {} : { [key]: value }) as Pick<Given, K>;
}
