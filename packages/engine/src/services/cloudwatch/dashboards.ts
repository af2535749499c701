import { page } from '../../dispatch/paging.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { parseBoundedJson } from '../../document-bounds.ts';
import { AwsFault } from '../../errors.ts';

interface StoredDashboard {
  readonly name: string;
  readonly body: string;
  readonly modifiedAtMs: number;
}

const PAGE = 1000;

/** Dashboards: kept and returned; nothing draws them here. */
export function dashboardOperations(engine: Engine) {
  const dashboards = engine.state.table<StoredDashboard>('cloudwatch.dashboards');
  const arnOf = (name: string) => `arn:aws:cloudwatch::${engine.accountId}:dashboard/${name}`;
  const find = (name: string) => {
    const dashboard = dashboards.get(name);
    if (!dashboard) throw new AwsFault('DashboardNotFoundError', `Dashboard ${name} does not exist`, 404);
    return dashboard;
  };
  return {
    PutDashboard: {
      resources: (input) => [arnOf(input.DashboardName ?? '')],
      run: (input) => {
        const name = input.DashboardName ?? '';
        const body = input.DashboardBody ?? '';
        if (!/^[A-Za-z0-9_-]{1,255}$/.test(name)) {
          throw new AwsFault(
            'DashboardInvalidInputError',
            'The parameter DashboardName must hold letters, digits, hyphens and underscores only.',
          );
        }
        try {
          parseBoundedJson(body);
        } catch {
          throw new AwsFault(
            'DashboardInvalidInputError',
            'The field DashboardBody must be a valid JSON object',
          );
        }
        dashboards.put(name, { name, body, modifiedAtMs: engine.clock.nowMs() });
        return { DashboardValidationMessages: [] };
      },
    },
    GetDashboard: {
      resources: (input) => [arnOf(input.DashboardName ?? '')],
      run: (input) => {
        const { name, body } = find(input.DashboardName ?? '');
        return { DashboardArn: arnOf(name), DashboardName: name, DashboardBody: body };
      },
    },
    ListDashboards: {
      run: (input) => {
        const names = [...dashboards.values()]
          .filter(({ name }) => name.startsWith(input.DashboardNamePrefix ?? ''))
          .sort((a, b) => (a.name < b.name ? -1 : 1));
        const { items, next } = page(
          names,
          input.NextToken,
          PAGE,
          () => new AwsFault('InvalidParameterValueException', 'The NextToken is invalid.'),
        );
        return {
          DashboardEntries: items.map(({ name, body, modifiedAtMs }) => ({
            DashboardName: name,
            DashboardArn: arnOf(name),
            LastModified: new Date(modifiedAtMs),
            Size: Buffer.byteLength(body),
          })),
          NextToken: next,
        };
      },
    },
    DeleteDashboards: {
      resources: (input) => (input.DashboardNames ?? []).map(arnOf),
      run: (input) => {
        const names = input.DashboardNames ?? [];
        for (const name of names) find(name);
        for (const name of names) dashboards.delete(name);
        return {};
      },
    },
  } satisfies OperationTable<'cloudwatch'>;
}
