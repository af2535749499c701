import { UserError } from '../../errors.ts';
import type { Instruction, InstructionOf } from './dockerfile.ts';
import { DockerfileError } from './dockerfile-error.ts';

/** A stage of a Dockerfile: its FROM, and what follows up to the next. */
export interface Stage {
  readonly index: number;
  readonly name: string | undefined;
  readonly from: InstructionOf<'FROM'>;
  readonly instructions: readonly Instruction[];
}

export function splitStages(instructions: readonly Instruction[]): {
  globals: InstructionOf<'ARG'>[];
  stages: Stage[];
} {
  const globals: InstructionOf<'ARG'>[] = [];
  const stages: (Stage & { readonly instructions: Instruction[] })[] = [];
  for (const instruction of instructions) {
    if (instruction.kind === 'FROM') {
      const { stage: name } = instruction;
      stages.push({ index: stages.length, name, from: instruction, instructions: [instruction] });
    } else if (stages.length > 0) stages.at(-1)!.instructions.push(instruction);
    else if (instruction.kind === 'ARG') globals.push(instruction);
    else if (instruction.kind === 'REFUSED') throw instruction.error;
  }
  return { globals, stages };
}

/** The stage before this one that FROM or COPY --from names. A number is a stage for COPY alone. */
export function earlierStage(
  stages: readonly Stage[],
  before: Stage,
  written: string,
  byNumber: boolean,
): Stage | undefined {
  const earlier = stages.slice(0, before.index);
  if (byNumber && /^\d+$/.test(written)) return earlier[Number(written)];
  return earlier.findLast(({ name }) => name === written.toLowerCase());
}

/** The stages that the wanted one is made of, in their order; the rest of the Dockerfile is left alone. */
export function neededStages(
  stages: readonly Stage[],
  target: string | undefined,
  fromOf: (stage: Stage) => string,
): Stage[] {
  const wanted = target === undefined ? stages.at(-1) : findTarget(stages, target);
  const needed = new Set<Stage>();
  const need = (stage: Stage | undefined) => {
    if (stage === undefined || needed.has(stage)) return;
    needed.add(stage);
    need(earlierStage(stages, stage, fromOf(stage), false));
    for (const instruction of stage.instructions) {
      if (instruction.kind !== 'COPY' || instruction.from === undefined) continue;
      if (/^\d+$/.test(instruction.from) && Number(instruction.from) >= stage.index)
        throw new DockerfileError(
          'InvalidDockerfile',
          instruction.line,
          `COPY --from=${instruction.from} names no stage before this one.`,
        );
      need(earlierStage(stages, stage, instruction.from, true));
    }
  };
  need(wanted);
  return [...needed].sort((a, b) => a.index - b.index);
}

function findTarget(stages: readonly Stage[], target: string): Stage {
  const found =
    stages.findLast(({ name }) => name === target.toLowerCase()) ??
    (/^\d+$/.test(target) ? stages[Number(target)] : undefined);
  if (found === undefined)
    throw new UserError('InvalidDockerfile', `The Dockerfile has no stage "${target}" for --target.`);
  return found;
}
