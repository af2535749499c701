import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { EventPattern } from '../../event-pattern.ts';
import type { JournalEntry } from '../../journal/journal.ts';
import type { Table } from '../../state/state.ts';
import { Deliveries } from './deliveries.ts';
import { compilePattern } from './request.ts';
import type { Rule } from './rule.ts';
import { Schedules } from './schedules.ts';

/** The default event bus: its rules, and which events of the journal go to them. */
export class EventBus {
  readonly rules: Table<Rule>;
  readonly #engine: Engine;
  readonly #patterns = new WeakMap<Rule, EventPattern>();
  readonly #deliveries: Deliveries;
  readonly #schedules: Schedules;
  readonly #unsubscribe: () => void;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.rules = engine.state.table('events.rules');
    this.#deliveries = new Deliveries(engine);
    this.#schedules = new Schedules(engine, {
      find: (name) => this.rules.get(name),
      fire: (rule) =>
        this.#deliveries.add(
          rule,
          this.#envelope(engine.ids.uuid(), engine.clock.nowMs(), {
            source: 'aws.events',
            'detail-type': 'Scheduled Event',
            resources: [rule.arn],
            detail: {},
          }),
        ),
    });
    this.#unsubscribe = engine.journal.subscribe((entry) => this.#route(entry));
  }

  start(): void {
    this.#deliveries.start();
    for (const name of this.rules.keys()) this.#schedules.arm(name);
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    this.#schedules.stop();
    await this.#deliveries.stop();
  }

  ruleArn(name: string): string {
    return `arn:aws:events:${this.#engine.region}:${this.#engine.accountId}:rule/${name}`;
  }

  check(bus: string | undefined): void {
    if (bus === undefined || bus === 'default') return;
    if (bus === `arn:aws:events:${this.#engine.region}:${this.#engine.accountId}:event-bus/default`) return;
    throw new AwsFault(
      'ResourceNotFoundException',
      `Event bus ${bus} does not exist: the local engine has the default event bus only.`,
    );
  }

  find(name: string | undefined, bus?: string): Rule {
    this.check(bus);
    const rule = this.rules.get(name ?? '');
    if (!rule) {
      throw new AwsFault('ResourceNotFoundException', `Rule ${name} does not exist on EventBus default.`);
    }
    return rule;
  }

  findByArn(arn: string | undefined): Rule {
    const name = /^arn:aws:events:[^:]*:\d*:rule\/(.+)$/.exec(arn ?? '')?.[1];
    if (name === undefined) {
      throw new AwsFault('ResourceNotFoundException', `${arn} is not the ARN of a rule.`);
    }
    return this.find(name);
  }

  put(rule: Rule): void {
    this.rules.put(rule.name, rule);
    this.#schedules.arm(rule.name);
  }

  delete(name: string): void {
    this.rules.delete(name);
    this.#schedules.arm(name);
  }

  #route({ type, detail, atMs }: JournalEntry): void {
    if (type !== 'aws.event') return;
    let event: Record<string, unknown> | undefined;
    for (const rule of this.rules.values()) {
      if (!rule.enabled || rule.pattern === undefined || rule.targets.length === 0) continue;
      event ??= this.#envelope(
        typeof detail.id === 'string' ? detail.id : this.#engine.ids.uuid(),
        typeof detail.timeMs === 'number' ? detail.timeMs : atMs,
        detail,
      );
      if (this.#patternOf(rule, rule.pattern)(event)) this.#deliveries.add(rule, event);
    }
  }

  #envelope(id: string, atMs: number, event: Record<string, unknown>) {
    return {
      version: '0',
      id,
      'detail-type': event['detail-type'],
      source: event.source,
      account: this.#engine.accountId,
      time: `${new Date(atMs).toISOString().slice(0, 19)}Z`,
      region: this.#engine.region,
      resources: event.resources ?? [],
      detail: event.detail ?? {},
    };
  }

  #patternOf(rule: Rule, text: string): EventPattern {
    let pattern = this.#patterns.get(rule);
    if (!pattern) {
      pattern = compilePattern(text);
      this.#patterns.set(rule, pattern);
    }
    return pattern;
  }
}
