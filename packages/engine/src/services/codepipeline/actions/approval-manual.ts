import { type ActionContext, type Executor, interrupted } from './action.ts';

/**
 * Waits for a person: announces itself on the topic, if it has one, and ends with what PutApprovalResult says.
 * Nobody answering within the timeout (seven days by default) is a failure.
 */
export const manualApproval: Executor = async (context) => {
  const { record, note, changed, signal, engine, principal, configuration } = context;
  const token = record().token ?? engine.ids.uuid();
  if (record().token === undefined) {
    note({ token });
    engine.journal.append('codepipeline', 'approval.requested', {
      pipeline: record().pipelineName,
      executionId: record().executionId,
      stage: record().stage,
      action: record().declaration.name,
    });
  }
  const topicArn = configuration.NotificationArn;
  if (topicArn !== undefined && record().progress.announced !== true) {
    const { declaration, pipelineName } = record();
    await engine.call(principal, 'sns', 'Publish', {
      TopicArn: topicArn,
      Subject: `APPROVAL NEEDED: AWS CodePipeline ${pipelineName} for action ${declaration.name}`.slice(
        0,
        100,
      ),
      Message: JSON.stringify(announcement(context, token)),
    });
    note({ progress: { announced: true } });
  }
  for (;;) {
    const next = changed();
    const answer = record().approval;
    if (answer?.status === 'Approved') return { status: 'Succeeded', summary: answer.summary };
    if (answer) {
      return {
        status: 'Failed',
        code: 'JobFailed',
        message: `Rejected by ${answer.by}${answer.summary === '' ? '' : `: ${answer.summary}`}`,
      };
    }
    await next;
    if (signal.aborted) return interrupted;
  }
};

function announcement({ engine, record, configuration, timeoutAtMs }: ActionContext, token: string) {
  const { pipelineName, stage, declaration } = record();
  const console = `https://${engine.region}.console.aws.amazon.com/codesuite/codepipeline/pipelines/${pipelineName}/view?region=${engine.region}`;
  return {
    region: engine.region,
    consoleLink: console,
    approval: {
      pipelineName,
      stageName: stage,
      actionName: declaration.name,
      token,
      expires: `${new Date(timeoutAtMs).toISOString().slice(0, 16)}Z`,
      externalEntityLink: configuration.ExternalEntityLink ?? null,
      approvalReviewLink: `${console}#/${stage}/${declaration.name}/approve/${token}`,
      customData: configuration.CustomData ?? null,
    },
  };
}
