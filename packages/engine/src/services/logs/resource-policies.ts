import { page } from '../../dispatch/paging.ts';
import type { OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { parsePolicy } from '../../iam/policy-grammar.ts';
import type { State, Table } from '../../state/state.ts';
import { invalid } from './faults.ts';
import { limitOf } from './group-operations.ts';

interface ResourcePolicy {
  readonly policyName: string;
  readonly policyDocument: string;
  readonly lastUpdatedTime: number;
}

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html */
const POLICIES_MAX = 10;
const POLICIES_PAGE = 50;

/** The account's resource policies: each is for all the log groups that its statements name. */
export class ResourcePolicies {
  readonly #table: Table<ResourcePolicy>;

  constructor(state: State) {
    this.#table = state.table<ResourcePolicy>('logs.resource-policies');
  }

  /** All policies as one, which is how IAM takes them together. */
  together(): string | undefined {
    const documents = [...this.#table.values()].map(
      ({ policyDocument }) => JSON.parse(policyDocument) as { Version?: string; Statement: unknown },
    );
    if (documents.length === 0) return undefined;
    return JSON.stringify({
      Version: '2012-10-17',
      Statement: documents.flatMap(({ Statement }) => Statement),
    });
  }

  operations() {
    return {
      PutResourcePolicy: {
        run: (input, { atMs }) => {
          const { policyName = '', policyDocument = '' } = input;
          if (policyName === '') throw invalid('policyName is required.');
          const parsed = parsePolicy(policyDocument, 'logs');
          if ('error' in parsed) throw invalid(parsed.error);
          if (!this.#table.get(policyName) && [...this.#table.values()].length >= POLICIES_MAX) {
            throw new AwsFault('LimitExceededException', 'Resource limit exceeded.');
          }
          return {
            resourcePolicy: this.#table.put(policyName, {
              policyName,
              policyDocument,
              lastUpdatedTime: atMs,
            }),
          };
        },
      },
      DescribeResourcePolicies: {
        run: (input) => {
          const { items, next } = page(
            [...this.#table.values()],
            input.nextToken,
            limitOf(input.limit, POLICIES_PAGE),
            () => invalid('The specified nextToken is invalid.'),
          );
          return { resourcePolicies: items, ...(next === undefined ? {} : { nextToken: next }) };
        },
      },
      DeleteResourcePolicy: {
        run: (input) => {
          if (!this.#table.get(input.policyName ?? '')) {
            throw new AwsFault(
              'ResourceNotFoundException',
              `Policy with name [${input.policyName}] does not exist.`,
            );
          }
          this.#table.delete(input.policyName ?? '');
          return {};
        },
      },
    } satisfies OperationTable<'logs'>;
  }
}
