import type { Json, JsonObject } from './schema.ts';

/** A question of CloudFormation to a custom resource's function. */
export interface CustomResourceQuestion {
  readonly requestType: 'Create' | 'Update' | 'Delete';
  readonly type: string;
  /** The physical id, once there is one. */
  readonly id?: string;
  readonly properties: JsonObject;
  readonly oldProperties?: JsonObject;
  readonly timeoutSeconds: number;
}

export interface CustomResourceAnswer {
  /** Why it failed; `undefined` for success. */
  readonly failure: string | undefined;
  readonly id: string | undefined;
  /** What `Fn::GetAtt` gives. */
  readonly data: Readonly<Record<string, Json>>;
}
