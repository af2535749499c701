import { defineResource, type ResourceContext, unlessMissing } from './resource-type.ts';
import { type Properties, required, text } from './schema.ts';

const properties = { DashboardName: text, DashboardBody: required(text) };

const nameOf = (context: ResourceContext, dashboard: Properties<typeof properties>) =>
  dashboard.DashboardName ?? context.name({ longest: 255, prefix: '' });

export const cloudwatchDashboard = defineResource('AWS::CloudWatch::Dashboard', {
  properties,
  createOnly: ['DashboardName'],
  identify: nameOf,
  exists: async (context, DashboardName) =>
    (await unlessMissing(() => context.call('cloudwatch', 'GetDashboard', { DashboardName }))) !== undefined,
  async create(context, dashboard) {
    const name = nameOf(context, dashboard);
    await context.call('cloudwatch', 'PutDashboard', {
      DashboardName: name,
      DashboardBody: dashboard.DashboardBody,
    });
    return { id: name };
  },
  async update(context, dashboard, { id }) {
    await context.call('cloudwatch', 'PutDashboard', {
      DashboardName: id,
      DashboardBody: dashboard.DashboardBody,
    });
    return undefined;
  },
  async delete(context, { id }) {
    await unlessMissing(() => context.call('cloudwatch', 'DeleteDashboards', { DashboardNames: [id] }));
  },
});
