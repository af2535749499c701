import type { Principal } from '../iam/principal.ts';
import type { Attributes } from '../resources/resource-type.ts';
import type { Json, JsonObject } from '../resources/schema.ts';
import type { State, Table } from '../state/state.ts';
import type { ParameterValue } from './parameters.ts';
import type { DeletionPolicy } from './template.ts';

export type StackStatus =
  | 'REVIEW_IN_PROGRESS'
  | 'CREATE_IN_PROGRESS'
  | 'CREATE_COMPLETE'
  | 'CREATE_FAILED'
  | 'ROLLBACK_IN_PROGRESS'
  | 'ROLLBACK_COMPLETE'
  | 'ROLLBACK_FAILED'
  | 'UPDATE_IN_PROGRESS'
  | 'UPDATE_COMPLETE_CLEANUP_IN_PROGRESS'
  | 'UPDATE_COMPLETE'
  | 'UPDATE_FAILED'
  | 'UPDATE_ROLLBACK_IN_PROGRESS'
  | 'UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS'
  | 'UPDATE_ROLLBACK_COMPLETE'
  | 'UPDATE_ROLLBACK_FAILED'
  | 'DELETE_IN_PROGRESS'
  | 'DELETE_COMPLETE'
  | 'DELETE_FAILED';

export type ResourceStatus =
  | 'CREATE_IN_PROGRESS'
  | 'CREATE_COMPLETE'
  | 'CREATE_FAILED'
  | 'UPDATE_IN_PROGRESS'
  | 'UPDATE_COMPLETE'
  | 'UPDATE_FAILED'
  | 'DELETE_IN_PROGRESS'
  | 'DELETE_COMPLETE'
  | 'DELETE_FAILED'
  | 'DELETE_SKIPPED';

/** What a stack is made from. */
export interface StackInput {
  readonly template: string;
  readonly parameters: readonly ParameterValue[];
  readonly tags: Readonly<Record<string, string>>;
  readonly capabilities: readonly string[];
  /** Role with which CloudFormation acts; without one it acts with the caller's rights. */
  readonly roleArn: string | undefined;
}

export interface StackOutput {
  readonly key: string;
  readonly value: string;
  readonly description: string | undefined;
  readonly exportName: string | undefined;
}

/** One resource of a stack, as it is and as it was asked for. */
export interface ResourceRecord {
  readonly logicalId: string;
  readonly type: string;
  /** Physical id, once there is one. */
  readonly id: string | undefined;
  readonly status: ResourceStatus;
  readonly reason: string | undefined;
  /** Properties with intrinsic functions resolved and dynamic references as written: what updates compare. */
  readonly declared: JsonObject;
  /** Properties with everything resolved: what the resource was made with. */
  readonly properties: JsonObject;
  readonly attributes: Attributes;
  readonly deletionPolicy: DeletionPolicy | undefined;
  readonly updateReplacePolicy: DeletionPolicy | undefined;
  readonly metadata: Json | undefined;
  readonly stackTags: Readonly<Record<string, string>>;
  /** Logical ids of the resources that this one needs. */
  readonly needs: readonly string[];
  readonly updatedAtMs: number;
  /** The operation that dealt with it last. */
  readonly operation: string;
  /** Random part of generated names, drawn before creation so that a retry after a crash uses it again. */
  readonly suffix: string;
  /** Set while `create` runs: after a crash something with this id may exist although none did before. */
  readonly creatingId?: string;
}

/** A change of a stack that is under way. It is durable: after a crash it goes on from where it was. */
export interface OperationRecord {
  readonly token: string;
  readonly kind: 'create' | 'update' | 'delete';
  readonly phase: 'apply' | 'cleanup' | 'rollback' | 'rollback-cleanup' | 'delete';
  /** Who asked for it. */
  readonly principal: Principal;
  readonly onFailure: 'ROLLBACK' | 'DO_NOTHING' | 'DELETE';
  /** Logical ids that a deletion leaves alone. */
  readonly retain: readonly string[];
  /** What an update rolls back to. */
  readonly before:
    | {
        readonly input: StackInput;
        readonly outputs: readonly StackOutput[];
        readonly imports: readonly string[];
        readonly resources: readonly ResourceRecord[];
      }
    | undefined;
  readonly clientRequestToken: string | undefined;
}

export interface StackRecord extends StackInput {
  readonly id: string;
  readonly name: string;
  readonly status: StackStatus;
  readonly statusReason: string | undefined;
  readonly description: string | undefined;
  readonly createdAtMs: number;
  readonly updatedAtMs: number | undefined;
  readonly deletedAtMs: number | undefined;
  readonly outputs: readonly StackOutput[];
  /** Names of exports that this stack imports. */
  readonly imports: readonly string[];
  readonly terminationProtection: boolean;
  readonly disableRollback: boolean;
  readonly notificationArns: readonly string[];
  readonly operation: OperationRecord | undefined;
  /** Operation that failed to roll back, kept for `ContinueUpdateRollback`. */
  readonly stuck: OperationRecord | undefined;
}

/** A resource that a later phase of the operation deletes. */
export interface Leftover {
  readonly stackId: string;
  /** `old`: replaced or removed; `new`: created by an update that is rolled back. */
  readonly origin: 'old' | 'new';
  readonly record: ResourceRecord;
}

export interface PlannedChange {
  readonly action: 'Add' | 'Modify' | 'Remove';
  readonly logicalId: string;
  readonly id: string | undefined;
  readonly type: string;
  readonly replacement: 'True' | 'False' | 'Conditional' | undefined;
  readonly policyAction: 'Delete' | 'Retain' | 'ReplaceAndDelete' | 'ReplaceAndRetain' | undefined;
  readonly properties: ReadonlyArray<{
    readonly name: string;
    readonly recreation: 'Never' | 'Always' | 'Conditionally';
  }>;
}

export interface ChangeSetRecord extends StackInput {
  readonly id: string;
  readonly name: string;
  readonly stackId: string;
  readonly stackName: string;
  readonly type: 'CREATE' | 'UPDATE';
  readonly description: string | undefined;
  readonly status: 'CREATE_COMPLETE' | 'FAILED';
  readonly statusReason: string | undefined;
  readonly executionStatus:
    | 'AVAILABLE'
    | 'UNAVAILABLE'
    | 'EXECUTE_COMPLETE'
    | 'EXECUTE_FAILED'
    | 'OBSOLETE'
    | 'EXECUTE_IN_PROGRESS';
  readonly createdAtMs: number;
  readonly changes: readonly PlannedChange[];
  readonly notificationArns: readonly string[];
}

export interface StackEvent {
  readonly id: string;
  readonly stackId: string;
  readonly stackName: string;
  readonly logicalId: string;
  readonly physicalId: string | undefined;
  readonly type: string;
  readonly atMs: number;
  readonly status: string;
  readonly reason: string | undefined;
  readonly properties: JsonObject | undefined;
  readonly clientRequestToken: string | undefined;
}

/** Stacks, their resources, change sets and events: everything durable about CloudFormation. */
export class StackStore {
  readonly stacks: Table<StackRecord>;
  readonly changeSets: Table<ChangeSetRecord>;
  readonly #resources: Table<ResourceRecord>;
  readonly #leftovers: Table<Leftover>;
  readonly #state: State;
  readonly #insertEvent;
  readonly #selectEvents;
  readonly #removeEvents;

  constructor(state: State) {
    this.#state = state;
    this.stacks = state.table<StackRecord>('cloudformation.stacks');
    this.changeSets = state.table<ChangeSetRecord>('cloudformation.change-sets');
    this.#resources = state.table<ResourceRecord>('cloudformation.resources');
    this.#leftovers = state.table<Leftover>('cloudformation.leftovers');
    state.db.exec(
      'CREATE TABLE IF NOT EXISTS "cloudformation.events" (seq INTEGER PRIMARY KEY AUTOINCREMENT, stack TEXT NOT NULL, event TEXT NOT NULL)',
    );
    state.db.exec(
      'CREATE INDEX IF NOT EXISTS "cloudformation.events-by-stack" ON "cloudformation.events" (stack, seq)',
    );
    this.#insertEvent = state.db.prepare('INSERT INTO "cloudformation.events" (stack, event) VALUES (?, ?)');
    this.#removeEvents = state.db.prepare('DELETE FROM "cloudformation.events" WHERE stack = ?');
    this.#selectEvents = state.db.prepare(
      'SELECT seq, event FROM "cloudformation.events" WHERE stack = ? AND seq < ? ORDER BY seq DESC LIMIT ?',
    );
  }

  /** The stack of this name that is not deleted, or of this id even if it is. */
  find(nameOrId: string): StackRecord | undefined {
    if (nameOrId.startsWith('arn:')) return this.stacks.get(nameOrId);
    for (const stack of this.stacks.values()) {
      if (stack.name === nameOrId && stack.status !== 'DELETE_COMPLETE') return stack;
    }
    return undefined;
  }

  update(id: string, change: Partial<StackRecord>): StackRecord {
    return this.stacks.put(id, { ...this.stacks.get(id)!, ...change });
  }

  resources(stackId: string): ResourceRecord[] {
    const prefix = `${stackId}|`;
    return [...this.#resources.entries()]
      .filter(([key]) => key.startsWith(prefix))
      .map(([, record]) => record);
  }

  resource(stackId: string, logicalId: string): ResourceRecord | undefined {
    return this.#resources.get(`${stackId}|${logicalId}`);
  }

  putResource(stackId: string, record: ResourceRecord): ResourceRecord {
    return this.#resources.put(`${stackId}|${record.logicalId}`, record);
  }

  dropResource(stackId: string, logicalId: string): void {
    this.#resources.delete(`${stackId}|${logicalId}`);
  }

  /** Every live resource of a type, of all stacks. */
  ofType(type: string): ResourceRecord[] {
    return [...this.#resources.values()].filter(
      (record) => record.type === type && record.id !== undefined && record.status !== 'DELETE_COMPLETE',
    );
  }

  leftovers(stackId: string): Leftover[] {
    return [...this.#leftovers.values()].filter((leftover) => leftover.stackId === stackId);
  }

  putLeftover(leftover: Leftover): void {
    this.#leftovers.put(leftoverKey(leftover), leftover);
  }

  dropLeftover(leftover: Leftover): void {
    this.#leftovers.delete(leftoverKey(leftover));
  }

  /**
   * Keeps an event. Instants of a stack's events increase strictly: clients such as the CDK CLI sort by
   * them, and here several happen within one millisecond.
   */
  addEvent(event: StackEvent): void {
    const newest = this.events(event.stackId, undefined, 1)[0]?.event.atMs ?? 0;
    this.#state.write();
    this.#insertEvent.run(
      event.stackId,
      JSON.stringify({ ...event, atMs: Math.max(event.atMs, newest + 1) }),
    );
  }

  /** Events of a stack, newest first, `limit` of those older than `before`. */
  events(
    stackId: string,
    before = Number.MAX_SAFE_INTEGER,
    limit = 1000,
  ): Array<{ seq: number; event: StackEvent }> {
    return this.#selectEvents.all(stackId, before, limit).map((row) => ({
      seq: row.seq as number,
      event: JSON.parse(row.event as string) as StackEvent,
    }));
  }

  /** Forgets stacks deleted before an instant, with their events. */
  forgetDeleted(beforeMs: number): void {
    for (const stack of [...this.stacks.values()]) {
      if (stack.status !== 'DELETE_COMPLETE' || (stack.deletedAtMs ?? beforeMs) >= beforeMs) continue;
      this.stacks.delete(stack.id);
      this.#state.write();
      this.#removeEvents.run(stack.id);
    }
  }

  /** Exports of every stack, by name. */
  exports(): Map<string, { value: string; stackId: string }> {
    const exports = new Map<string, { value: string; stackId: string }>();
    for (const stack of this.stacks.values()) {
      if (stack.status === 'DELETE_COMPLETE') continue;
      for (const output of stack.outputs) {
        if (output.exportName !== undefined) {
          exports.set(output.exportName, { value: output.value, stackId: stack.id });
        }
      }
    }
    return exports;
  }

  /** Stacks that import an export. */
  importers(exportName: string): StackRecord[] {
    return [...this.stacks.values()].filter(
      (stack) => stack.status !== 'DELETE_COMPLETE' && stack.imports.includes(exportName),
    );
  }
}

function leftoverKey({ stackId, origin, record }: Leftover): string {
  return `${stackId}|${origin}|${record.logicalId}|${record.id ?? ''}`;
}
