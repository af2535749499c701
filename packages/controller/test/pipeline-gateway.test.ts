import { describe, expect, test } from 'vitest';
import { at, digest, talking } from './talking.ts';

describe('the pipeline gateway', () => {
  const state = {
    pipelineName: 'p',
    stageStates: [
      { stageName: 'Build' },
      {
        stageName: 'Canary',
        inboundTransitionState: { enabled: false, disabledReason: 'queue-canary release e1 is under way' },
        inboundExecution: { pipelineExecutionId: 'e3', status: 'InProgress' },
        inboundExecutions: [{ pipelineExecutionId: 'e3', status: 'InProgress' }],
        latestExecution: { pipelineExecutionId: 'e2', status: 'Succeeded' },
      },
      {
        stageName: 'Verdict',
        inboundTransitionState: { enabled: true },
        latestExecution: { pipelineExecutionId: 'e2', status: 'InProgress' },
        actionStates: [
          {
            actionName: 'Approve',
            latestExecution: { status: 'InProgress', token: 't', lastStatusChange: at(9) },
          },
        ],
      },
    ],
  };

  test('reads stages, every page of executions and of action runs, and the pending approval', async () => {
    await talking(
      ({ operation, input }) => {
        switch (operation) {
          case 'GetPipelineState':
            return state;
          case 'ListPipelineExecutions':
            return input.nextToken === undefined
              ? {
                  pipelineExecutionSummaries: [
                    {
                      pipelineExecutionId: 'e2',
                      status: 'InProgress',
                      startTime: at(5),
                      lastUpdateTime: at(9),
                      sourceRevisions: [
                        { actionName: 'Source', revisionId: 'commit2', revisionSummary: 'Second\n' },
                      ],
                    },
                  ],
                  nextToken: 'more',
                }
              : {
                  pipelineExecutionSummaries: [
                    {
                      pipelineExecutionId: 'e1',
                      status: 'Stopped',
                      startTime: at(1),
                      lastUpdateTime: at(4),
                      stopTrigger: { reason: 'by hand' },
                    },
                  ],
                };
          default:
            return input.nextToken === undefined
              ? {
                  actionExecutionDetails: [
                    {
                      pipelineExecutionId: 'e2',
                      stageName: 'Canary',
                      actionName: 'DeployCanary',
                      status: 'Succeeded',
                      startTime: at(6),
                      lastUpdateTime: at(8),
                      output: { outputVariables: { IMAGE_DIGEST: digest } },
                    },
                  ],
                  nextToken: 'more',
                }
              : {
                  actionExecutionDetails: [
                    {
                      pipelineExecutionId: 'e2',
                      stageName: 'Canary',
                      actionName: 'DeployCanary',
                      status: 'Failed',
                      startTime: at(2),
                      lastUpdateTime: at(3),
                      output: { executionResult: { errorDetails: { message: 'no steady state' } } },
                    },
                  ],
                };
        }
      },
      async ({ pipeline }) => {
        expect(await pipeline.read()).toEqual({
          name: 'p',
          stages: [
            { name: 'Build', inboundExecutionIds: [], transitionEnabled: true },
            {
              name: 'Canary',
              latestExecutionId: 'e2',
              latestStatus: 'Succeeded',
              inboundExecutionIds: ['e3'],
              transitionEnabled: false,
              transitionDisabledReason: 'queue-canary release e1 is under way',
            },
            {
              name: 'Verdict',
              latestExecutionId: 'e2',
              latestStatus: 'InProgress',
              inboundExecutionIds: [],
              transitionEnabled: true,
            },
          ],
          executions: [
            {
              id: 'e2',
              status: 'InProgress',
              startedAt: at(5) * 1000,
              updatedAt: at(9) * 1000,
              commit: 'commit2',
              commitMessage: 'Second',
            },
            {
              id: 'e1',
              status: 'Stopped',
              startedAt: at(1) * 1000,
              updatedAt: at(4) * 1000,
              stopReason: 'by hand',
            },
          ],
          actions: [
            {
              executionId: 'e2',
              stage: 'Canary',
              action: 'DeployCanary',
              status: 'Succeeded',
              startedAt: at(6) * 1000,
              updatedAt: at(8) * 1000,
              variables: { IMAGE_DIGEST: digest },
            },
            {
              executionId: 'e2',
              stage: 'Canary',
              action: 'DeployCanary',
              status: 'Failed',
              startedAt: at(2) * 1000,
              updatedAt: at(3) * 1000,
              summary: 'no steady state',
            },
          ],
          approval: {
            executionId: 'e2',
            stage: 'Verdict',
            action: 'Approve',
            token: 't',
            since: at(9) * 1000,
          },
        });
      },
    );
  });

  test.each([
    ['{"ProviderType":"GitHub","CommitMessage":"Fix the \\"retry\\"\\n"}', 'Fix the "retry"'],
    ['Amazon S3 version id: 3.L4kqtJ', 'Amazon S3 version id: 3.L4kqtJ'],
    ['{"ProviderType":"GitHub"}', '{"ProviderType":"GitHub"}'],
    ['{"ProviderType": and so on', '{"ProviderType": and so on'],
  ])('reads the message of a commit in the summary %s', async (revisionSummary, message) => {
    await talking(
      ({ operation }) => {
        switch (operation) {
          case 'GetPipelineState':
            return { pipelineName: 'p', stageStates: [{ stageName: 'Source' }, { stageName: 'Build' }] };
          case 'ListPipelineExecutions':
            return {
              pipelineExecutionSummaries: [
                {
                  pipelineExecutionId: 'e1',
                  status: 'Succeeded',
                  startTime: at(5),
                  sourceRevisions: [{ actionName: 'Source', revisionId: 'commit1', revisionSummary }],
                },
              ],
            };
          default:
            return { actionExecutionDetails: [] };
        }
      },
      async ({ pipeline }) => {
        const { executions } = await pipeline.read();
        expect(executions).toMatchObject([{ commit: 'commit1', commitMessage: message }]);
      },
    );
  });

  test('takes the summary of the source for the image that is asked for, where nothing is built', async () => {
    const summary = (id: string, sourceRevisions?: object[]) => ({
      pipelineExecutionId: id,
      status: 'Succeeded',
      startTime: at(5),
      ...(sourceRevisions && { sourceRevisions }),
    });
    await talking(
      ({ operation }) => {
        switch (operation) {
          case 'GetPipelineState':
            return { pipelineName: 'p', stageStates: [{ stageName: 'Source' }, { stageName: 'Canary' }] };
          case 'ListPipelineExecutions':
            return {
              pipelineExecutionSummaries: [
                summary('e3'),
                summary('e2', [{ actionName: 'Source', revisionId: 'v2' }]),
                summary('e1', [
                  { actionName: 'Source', revisionId: 'v1', revisionSummary: `repo@${digest}` },
                ]),
              ],
            };
          default:
            return { actionExecutionDetails: [] };
        }
      },
      async ({ pipeline }) => {
        const { executions } = await pipeline.read();
        expect(executions.map(({ image, commit }) => [image, commit])).toEqual([
          [undefined, undefined],
          ['', undefined],
          [`repo@${digest}`, undefined],
        ]);
      },
    );
  });

  test('reads no further than to the executions that the stages show, and the runs of those that matter', async () => {
    const summary = (pipelineExecutionId: string, startTime: number, status = 'Failed') => ({
      pipelineExecutionId,
      status,
      startTime,
    });
    await talking(
      ({ operation, input }) => {
        if (operation === 'GetPipelineState') {
          return {
            stageStates: [
              { stageName: 'Canary', latestExecution: { pipelineExecutionId: 'used', status: 'Failed' } },
              { stageName: 'Verdict', latestExecution: { pipelineExecutionId: 'old', status: 'InProgress' } },
            ],
          };
        }
        if (operation === 'ListPipelineExecutions') {
          return input.nextToken === undefined
            ? {
                pipelineExecutionSummaries: [summary('young', at(900)), summary('used', at(800))],
                nextToken: 'second',
              }
            : {
                pipelineExecutionSummaries: [summary('older', at(2)), summary('old', at(1), 'InProgress')],
                nextToken: 'third',
              };
        }
        const { pipelineExecutionId = '' } = input.filter as { pipelineExecutionId?: string };
        return {
          actionExecutionDetails: [
            { ...summary(pipelineExecutionId, at(1)), stageName: 'Canary', actionName: 'DeployCanary' },
          ],
        };
      },
      async ({ pipeline }, calls) => {
        const { actions } = await pipeline.read();
        expect(actions.map(({ executionId }) => executionId)).toEqual(['young', 'used', 'old']);
        expect(calls.map(({ operation }) => operation).sort()).toEqual([
          'GetPipelineState',
          'ListActionExecutions',
          'ListActionExecutions',
          'ListActionExecutions',
          'ListPipelineExecutions',
          'ListPipelineExecutions',
        ]);
      },
    );
  });

  test('says what to do when there is no such pipeline', async () => {
    await talking(
      () => ({ error: 'PipelineNotFoundException' }),
      async ({ pipeline }) => {
        await expect(pipeline.read()).rejects.toThrow('there is no pipeline p; deploy the pipeline stack');
      },
    );
  });

  test.each([
    ['a stale token', 'InvalidApprovalTokenException', 'conflict'],
    ['an approval that is answered', 'ApprovalAlreadyCompletedException', 'conflict'],
  ])('takes %s as a conflict', async (_what, error, kind) => {
    await talking(
      () => ({ error }),
      async ({ pipeline }) => {
        const approved = pipeline.approve({ stage: 'Verdict', action: 'Approve', token: 't', reason: 'r' });
        expect(await approved).toMatchObject({ kind });
      },
    );
  });

  test('stops with abandon, and takes a second stop as done and an ended execution as a conflict', async () => {
    const answers = [
      { pipelineExecutionId: 'e' },
      { error: 'DuplicatedStopRequestException' },
      { error: 'PipelineExecutionNotStoppableException' },
    ];
    await talking(
      () => answers.shift() ?? {},
      async ({ pipeline }, calls) => {
        expect(await pipeline.stop('e', 'x'.repeat(300))).toEqual({ kind: 'done' });
        expect(calls[0]?.input).toEqual({
          pipelineName: 'p',
          pipelineExecutionId: 'e',
          abandon: true,
          reason: 'x'.repeat(200),
        });
        expect(await pipeline.stop('e', 'r')).toMatchObject({ kind: 'alreadyDone' });
        expect(await pipeline.stop('e', 'r')).toMatchObject({ kind: 'conflict' });
      },
    );
  });

  test('lets an unexpected failure through', async () => {
    await talking(
      () => ({ error: 'AccessDeniedException', message: 'not allowed' }),
      async ({ pipeline }) => {
        await expect(pipeline.stop('e', 'r')).rejects.toThrow('not allowed');
      },
    );
  });

  test('answers jobs: done, call again, failed; and one that is over is a conflict', async () => {
    await talking(
      ({ input }) => (input.jobId === 'over' ? { error: 'InvalidJobStateException' } : {}),
      async ({ pipeline }, calls) => {
        await pipeline.completeJob('j');
        await pipeline.continueJob('j');
        await pipeline.failJob('j', 'bad');
        expect(calls).toEqual([
          { operation: 'PutJobSuccessResult', input: { jobId: 'j' } },
          { operation: 'PutJobSuccessResult', input: { jobId: 'j', continuationToken: 'watching' } },
          {
            operation: 'PutJobFailureResult',
            input: { jobId: 'j', failureDetails: { type: 'JobFailed', message: 'bad' } },
          },
        ]);
        expect(await pipeline.completeJob('over')).toMatchObject({ kind: 'conflict' });
      },
    );
  });
});
