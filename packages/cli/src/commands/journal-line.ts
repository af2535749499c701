import type { JournalEntry } from '@queue-canary/engine';

/** Entries that repeat without news, and entries that another one already reports. */
const QUIET: ReadonlySet<string> = new Set([
  'cloudwatch alarm.action',
  'cloudwatch alarm.changed',
  'codebuild build.phase',
  'codecommit ref.changed',
  'codepipeline action.started',
  'codepipeline action.succeeded',
  'codepipeline execution.started',
  'codepipeline execution.succeeded',
  'codepipeline execution.failed',
  'codepipeline stage.started',
  'codepipeline stage.succeeded',
  'codepipeline stage.failed',
  'ecs deployment.completed',
  'ecs service.event',
  'ecs task.created',
  'ecs task.stopping',
  'events event.delivered',
  'lambda function.invoked',
]);

type Detail = Readonly<Record<string, unknown>>;

/** What a person who watches the engine wants to read of a journal entry; `undefined` for the rest. */
export function journalLine({ source, type, detail }: JournalEntry): string | undefined {
  if (type === 'aws.event') return eventLine(detail);
  if (type === 'call.failed')
    return `${source} ${detail.operation} refused: ${detail.code}: ${detail.message}`;
  if (type === 'call') return undefined;
  if (QUIET.has(`${source} ${type}`)) return undefined;
  if (type === 'resource.changed' && !String(detail.status).endsWith('_FAILED')) return undefined;
  const facts = Object.entries(detail)
    .filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value))
    .map(([key, value]) => `${key}=${short(String(value)).replace(/\s*\n\s*/g, ' ')}`)
    .join(' ');
  return `${source} ${type} ${facts}`.trimEnd();
}

/** Identities as short as people read them: ARNs by their last part, UUIDs, commits and digests by their start. */
function short(text: string): string {
  return text
    .replace(/\barn:aws:[^\s"]*[/:]([^\s/:"]+)/g, '$1')
    .replace(
      /\b([0-9a-f]{8})(?:-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{24}(?:[0-9a-f]{8}|[0-9a-f]{32})?)\b/g,
      '$1',
    );
}

function eventLine(event: Detail): string | undefined {
  const detail = (event.detail ?? {}) as Detail;
  switch (event['detail-type']) {
    case 'CodePipeline Stage Execution State Change':
      return `pipeline ${detail.stage}: ${detail.state}`;
    case 'CodePipeline Pipeline Execution State Change':
      return `pipeline ${detail.pipeline} execution ${String(detail['execution-id']).slice(0, 8)}: ${detail.state}`;
    case 'ECS Deployment State Change':
      return `${detail.eventName} ${String((event.resources as string[] | undefined)?.[0])
        .split('/')
        .at(-1)}`;
    case 'CloudWatch Alarm State Change':
      return `alarm ${detail.alarmName}: ${(detail.state as Detail | undefined)?.value}`;
    case 'CodeCommit Repository State Change':
      return `push to ${detail.repositoryName} ${detail.referenceName}: ${String(detail.commitId).slice(0, 8)}`;
    default:
      return undefined;
  }
}
