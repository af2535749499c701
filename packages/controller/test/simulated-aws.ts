import type { Line, Track } from '@queue-canary/core';
import { outcomeMessage } from '../../core/test/outcome-message.ts';
import type { SimulatedWorld } from '../../core/test/simulated-world.ts';
import type { Names } from '../src/names.ts';
import type { Call } from './scripted-aws.ts';

/** One answered call: when, in the world's time, and how much the answer held. */
export interface Answered {
  readonly operation: string;
  readonly atMs: number;
  readonly bytes: number;
}

/** Names of the resources of the simulated application. */
export const simulatedNames: Names = {
  app: 'shop',
  pipeline: 'pipeline',
  cluster: 'cluster',
  canaryService: 'canary',
  stableService: 'stable',
  container: 'worker',
  releaseParameter: '/release',
  rollbackParameter: '/rollback',
  imageParameter: '/image',
  alarms: ['dead-letters'],
  stopAlarms: [],
  deadLetterQueue: 'dead-letters',
  imageRepository: 'registry/worker',
  topicArn: 'arn:aws:sns:us-east-1:123456789012:topic',
};

/** Largest pages of CloudWatch Logs, in bytes, and of CodePipeline. */
const logPageBytes = 1_000_000;
const pipelinePage = 100;

const seconds = (ms: number): number => ms / 1000;

/**
 * A {@link SimulatedWorld} behind AWS's APIs, as a script for `ScriptedAws`: so the real gateways read and steer it, and
 * what they ask for is counted.
 */
export class SimulatedAws {
  readonly world: SimulatedWorld;
  readonly answered: Answered[] = [];
  /** Operations that the account calls too often. */
  readonly throttled = new Set<string>();
  /** Jobs that CodePipeline was asked to call again. */
  readonly continued: string[] = [];
  readonly #texts = new WeakMap<Line, string>();

  constructor(world: SimulatedWorld) {
    this.world = world;
  }

  readonly script = (call: Call): object => {
    const answer = this.throttled.has(call.operation)
      ? { error: 'ThrottlingException', message: 'Rate exceeded' }
      : this.#answer(call);
    const bytes = JSON.stringify(answer).length;
    this.answered.push({ operation: call.operation, atMs: this.world.now, bytes });
    return answer;
  };

  #answer({ operation, input }: Call): object {
    switch (operation) {
      case 'GetPipelineState':
        return { stageStates: this.#stages() };
      case 'ListPipelineExecutions':
        return this.#executions(Number(input.nextToken ?? 0));
      case 'ListActionExecutions':
        return this.#actions(
          (input.filter as { pipelineExecutionId?: string } | undefined)?.pipelineExecutionId,
        );
      case 'PutJobSuccessResult':
        if (input.continuationToken !== undefined) this.continued.push(String(input.jobId));
        else this.world.apply({ kind: 'completeJob', jobId: String(input.jobId), executionId: '' });
        return {};
      case 'PutJobFailureResult':
        this.world.apply({ kind: 'failJob', jobId: String(input.jobId), reason: '' });
        return {};
      case 'StopPipelineExecution': {
        const { pipelineExecutionId: executionId, reason } = input;
        this.world.apply({
          kind: 'stopExecution',
          executionId: String(executionId),
          reason: String(reason),
        });
        return {};
      }
      case 'UpdateService':
        this.#restore(input.service as Track, String(input.taskDefinition));
        return {};
      case 'PutApprovalResult':
        this.world.approve();
        return {};
      case 'EnableStageTransition':
        this.world.apply({ kind: 'openCanaryStage' });
        return {};
      case 'DisableStageTransition':
        this.world.apply({ kind: 'closeCanaryStage', executionId: '', reason: String(input.reason) });
        return {};
      case 'DescribeServices':
        return { services: [this.#service((input.services as Track[])[0]!)] };
      case 'DescribeTaskDefinition':
        return { taskDefinition: this.#taskDefinition(String(input.taskDefinition)) };
      case 'ListTasks':
        return { taskArns: this.#taskArns(input.serviceName as Track, input.desiredStatus === 'STOPPED') };
      case 'DescribeTasks':
        return { tasks: (input.tasks as string[]).map((arn) => this.#task(arn)) };
      case 'DescribeAlarms':
        return { MetricAlarms: [this.#alarm()] };
      case 'GetQueueUrl':
        return { QueueUrl: 'http://127.0.0.1/queue' };
      case 'GetQueueAttributes':
        return { Attributes: { ApproximateNumberOfMessages: String(this.world.deadLetters) } };
      case 'FilterLogEvents':
        return this.#events(input);
      case 'GetParameter':
        return { Parameter: this.#parameter(String(input.Name)) };
      case 'PutParameter':
        return this.#write(String(input.Name), String(input.Value));
      case 'Publish':
        return {};
      default:
        throw new Error(`the simulated AWS does not know ${operation}`);
    }
  }

  #stages(): object[] {
    const { pipeline } = this.world.observe();
    if (!pipeline.known) throw new Error(pipeline.problem);
    const { stages, approval } = pipeline.value;
    return stages.map((stage) => ({
      stageName: stage.name,
      inboundTransitionState: {
        enabled: stage.transitionEnabled,
        disabledReason: stage.transitionDisabledReason,
      },
      inboundExecutions: stage.inboundExecutionIds.map((id) => ({ pipelineExecutionId: id })),
      ...(stage.latestExecutionId !== undefined && {
        latestExecution: { pipelineExecutionId: stage.latestExecutionId, status: stage.latestStatus },
      }),
      actionStates:
        approval?.stage === stage.name
          ? [
              {
                actionName: approval.action,
                latestExecution: { status: 'InProgress', token: approval.token },
              },
            ]
          : [],
    }));
  }

  #executions(from: number): object {
    const newestFirst = [...this.world.executions].reverse();
    return {
      pipelineExecutionSummaries: newestFirst.slice(from, from + pipelinePage).map((execution) => ({
        pipelineExecutionId: execution.id,
        status: execution.status,
        startTime: seconds(execution.startedAt),
        lastUpdateTime: seconds(execution.updatedAt),
      })),
      ...(from + pipelinePage < newestFirst.length && { nextToken: String(from + pipelinePage) }),
    };
  }

  #actions(executionId: string | undefined): object {
    const runs = this.world.runs.filter(
      (run) => executionId === undefined || run.executionId === executionId,
    );
    return {
      actionExecutionDetails: [...runs]
        .reverse()
        .slice(0, pipelinePage)
        .map((run) => ({
          pipelineExecutionId: run.executionId,
          stageName: run.stage,
          actionName: run.action,
          status: run.status,
          startTime: seconds(run.startedAt),
          lastUpdateTime: seconds(run.updatedAt),
          ...(run.variables && { output: { outputVariables: run.variables } }),
        })),
    };
  }

  #service(track: Track): object {
    const { desired, running, primary, others } = this.world.services[track];
    const shown = (status: string) => (deployment: typeof primary) => ({
      id: deployment.id,
      status,
      taskDefinition: deployment.taskDefinitionArn,
      rolloutState: deployment.rolloutState,
    });
    return {
      status: 'ACTIVE',
      desiredCount: desired,
      runningCount: running,
      deployments: [shown('PRIMARY')(primary), ...others.map(shown('ACTIVE'))],
    };
  }

  #restore(track: Track, taskDefinitionArn: string): void {
    this.world.apply({
      kind: 'restoreService',
      executionId: '',
      track,
      imageUri: this.world.taskDefinitions.get(taskDefinitionArn)?.imageUri ?? '',
      taskDefinitionArn,
      observedTaskDefinitionArn: this.world.services[track].primary.taskDefinitionArn,
      forceNew: true,
    });
  }

  #taskDefinition(arn: string): object {
    const definition = this.world.taskDefinitions.get(arn);
    const [, track = ''] = /\/(\w+):/.exec(arn) ?? [];
    return {
      family: track,
      status: definition?.active ? 'ACTIVE' : 'INACTIVE',
      containerDefinitions: [
        {
          name: 'worker',
          image: definition?.imageUri,
          logConfiguration: {
            logDriver: 'awslogs',
            options: { 'awslogs-group': track, 'awslogs-stream-prefix': 'worker' },
          },
        },
      ],
    };
  }

  /** ECS remembers a stopped task for an hour. */
  #taskArns(track: Track, stopped: boolean): string[] {
    return this.world.tasks
      .lives(track)
      .filter(({ stoppedAt }) =>
        stopped ? stoppedAt !== undefined && stoppedAt > this.world.now - 3_600_000 : stoppedAt === undefined,
      )
      .map(({ id }) => `arn:aws:ecs:us-east-1:123456789012:task/cluster/${id}`);
  }

  #task(arn: string): object {
    const id = arn.slice(arn.lastIndexOf('/') + 1);
    const track = id.startsWith('canary') ? 'canary' : 'stable';
    const life = this.world.tasks.lives(track).find((one) => one.id === id)!;
    return {
      taskArn: arn,
      startedAt: life.startedAt && seconds(life.startedAt),
      stoppingAt: life.stoppingAt && seconds(life.stoppingAt),
      stoppedAt: life.stoppedAt && seconds(life.stoppedAt),
    };
  }

  #alarm(): object {
    const { value, transitionedAt } = this.world.alarm;
    return {
      AlarmName: 'dead-letters',
      StateValue: value,
      StateTransitionedTimestamp: seconds(transitionedAt),
    };
  }

  /** Events of one group in their order, a megabyte at a time. */
  #events(input: Record<string, unknown>): object {
    const track = input.logGroupName as Track;
    const [from, until] = [Number(input.startTime), Number(input.endTime ?? Number.POSITIVE_INFINITY)];
    const wanted = this.world.tasks
      .lines(track)
      .filter(({ toMs }) => toMs >= from && toMs <= until)
      .sort((a, b) => a.toMs - b.toMs);
    const events: object[] = [];
    let bytes = 0;
    let index = Number(input.nextToken ?? 0);
    for (; index < wanted.length && bytes < logPageBytes; index += 1) {
      const line = wanted[index]!;
      const message = this.#text(line);
      bytes += message.length;
      events.push({ eventId: `${line.task} ${line.sequence}`, timestamp: line.toMs, message });
    }
    return { events, ...(index < wanted.length && { nextToken: String(index) }) };
  }

  #text(line: Line): string {
    const text = this.#texts.get(line) ?? outcomeMessage(line);
    this.#texts.set(line, text);
    return text;
  }

  #parameter(name: string): object {
    if (name === simulatedNames.rollbackParameter) return { Value: '{}', Version: 1 };
    return name === simulatedNames.imageParameter
      ? { Value: this.world.image, Version: 1 }
      : { Value: this.world.recordText, Version: this.world.recordVersion };
  }

  #write(name: string, value: string): object {
    if (name === simulatedNames.imageParameter) {
      this.world.image = value;
      return { Version: 2 };
    }
    this.world.recordText = value;
    this.world.recordVersion += 1;
    return { Version: this.world.recordVersion };
  }
}
