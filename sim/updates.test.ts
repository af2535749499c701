import { expect, onTestFinished, test } from 'vitest';
import { knownSettings } from '../examples/app/test/known-settings.ts';
import { PIPELINE_STACK } from './stacks.ts';
import { World } from './world.ts';

/** Another value than a running system has, of each setting that an update of the pipeline stack can change. */
const CHANGES: Readonly<Record<string, string>> = {
  canaryTasks: '2',
  stableTasks: '2',
  stableTasksMax: '20',
  backlogPerTask: '50',
  memoryMiB: '1024',
  cpu: '512',
  spot: 'false',
  protectTasks: 'stable',
  stopTimeoutSeconds: '20',
  retryDelaySeconds: '2',
  containerInsights: 'true',
  visibilityTimeoutSeconds: '40',
  maxReceiveCount: '4',
  natGateways: '1',
  egressPorts: '443,5432',
  logRetentionDays: '7',
  user: '1001',
  readonlyRootFilesystem: 'false',
  reservedConcurrentExecutions: '5',
  approval: 'automatic',
  bakeMinutes: '12',
  watchMinutes: '6',
  decideWithinMinutes: '100',
  onNewerCommit: 'wait',
  releaseWindows: 'Mon-Fri 09:00-16:00 UTC',
  alarmThreshold: '3',
  dryRun: 'true',
  margin: '0.05',
  slower: '1',
  latencyMargin: '0.3',
  falseRollbackRate: '0.005',
  falsePromotionRate: '0.1',
  warmUpSeconds: '20',
  messagesMin: '50',
  taskSpread: '0.4',
  counters: 'shipped:less:0.25',
  // The last, since from then on a changed task definition is judged.
  judgeConfiguration: 'true',
};

/** Settings that such an update does not change, or not here. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  app: 'it names another system',
  architecture: 'it is refused until it is asked for with a parameter',
  availabilityZones: 'it names zones of a region',
  keyArn: 'it belongs to the first deployment',
  restrictDefaultSecurityGroup:
    'a function of CDK itself does it, which the test does not run; it touches no service',
  removal: 'it says what the deletion of the stack does',
  imageCountMax: "it is the image stack's",
  imageRepository: 'it is another source of images',
};

const SERVICES = { canary: 'CanaryServiceName', stable: 'StableServiceName' } as const;

/** The deployment and the ARN of each service. */
async function services(world: World) {
  const { ClusterName: cluster } = world.pipeline;
  const names = Object.values(SERVICES).map((output) => world.pipeline[output]);
  const { services: found = [] } = await world.call('ecs', 'DescribeServices', { cluster, services: names });
  return found.map(({ serviceArn, deployments = [] }) => ({
    serviceArn,
    deployment: deployments.find(({ status }) => status === 'PRIMARY')?.id,
  }));
}

/** What the stack's latest update did: types of resources, in the order of the alphabet. */
function changesOf(world: World, since: number): { changed: string[]; replaced: string[] } {
  const seen = new Map<string, { type: string; statuses: string[] }>();
  for (const { type: entry, seq, detail } of world.engine.journal.read()) {
    if (seq <= since || entry !== 'resource.changed' || detail.stack !== PIPELINE_STACK) continue;
    const { logicalId, type, status } = detail as Record<'logicalId' | 'type' | 'status', string>;
    const known = seen.get(logicalId) ?? { type, statuses: [] };
    known.statuses.push(status);
    seen.set(logicalId, known);
  }
  const of = (isWanted: (statuses: string[]) => boolean) =>
    [
      ...new Set([...seen.values()].flatMap(({ type, statuses }) => (isWanted(statuses) ? [type] : []))),
    ].sort();
  const isReplaced = (statuses: string[]) =>
    statuses.includes('DELETE_COMPLETE') && statuses.includes('UPDATE_COMPLETE');
  return { changed: of((statuses) => !isReplaced(statuses)), replaced: of(isReplaced) };
}

test('each setting of a running system can be changed, nothing is lost, and the page says what restarts', async () => {
  expect([...Object.keys(CHANGES), ...Object.keys(ELSEWHERE)].sort()).toEqual(knownSettings().sort());
  const world = await World.start({ seed: 1, rate: 1, context: {} });
  onTestFinished(() => world.close());
  await world.untilEnd(true);
  // A release registers revisions of its own; from this update on both services run the stack's.
  await world.update({ retryDelaySeconds: '3' });
  const rows: string[] = [];
  const { length } = Object.keys(CHANGES);
  for (const [name, value] of Object.entries(CHANGES)) {
    const before = await services(world);
    const since = world.engine.journal.read().at(-1)?.seq ?? 0;
    await world.update({ [name]: value });
    const after = await services(world);
    expect(
      after.map(({ serviceArn }) => serviceArn),
      `${name} replaces a service`,
    ).toEqual(before.map(({ serviceArn }) => serviceArn));
    const restarted = Object.keys(SERVICES).filter(
      (_, index) => after[index]?.deployment !== before[index]?.deployment,
    );
    const { changed, replaced } = changesOf(world, since);
    expect([name, changed.length + replaced.length]).not.toEqual([name, 0]);
    rows.push(
      `| \`${name}\` | ${restarted.join(', ') || 'none'} | ${replaced.join(', ') || 'none'} | ${changed.join(', ') || 'none'} |`,
    );
  }
  expect(rows).toHaveLength(length);
  expect(await world.drain()).toMatchObject({ lost: [] });
  await expect(
    [
      '# Updates',
      '',
      'What a stack update does that changes one setting of a running system. A test plays each of them, with messages on',
      'the queue all the while, of which none is lost; it also writes this page. Types of resources are those of',
      'CloudFormation. A task definition is replaced by a new revision. A service that restarts does so as in a release, the',
      'canary first. The first update after a release restarts both services in any case.',
      '',
      '| setting | services that restart | replaced | changed otherwise |',
      '|---|---|---|---|',
      ...rows.map((row) => row.replaceAll('AWS::', '')),
      '',
      'Not in the table:',
      '',
      ...Object.entries(ELSEWHERE).map(([name, why]) => `- \`${name}\`: ${why}`),
      '',
    ].join('\n'),
  ).toMatchFileSnapshot('../docs/reference/updates.md');
});
