import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { policySettings } from '@queue-canary/core';
import { SystemClock } from '@queue-canary/engine';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import type { Command } from 'commander';
import { RootConstruct } from 'constructs';
import { addQueueCanary } from '../examples/app/queue-canary-app.ts';
import { readSettings, SettingsError } from '../examples/app/settings.ts';
import { EXIT_STATUSES } from '../packages/cli/src/program/exit-statuses.ts';
import { createCommand } from '../packages/cli/src/program.ts';
import { createTerminal } from '../packages/cli/src/terminal.ts';
import { constructsPage, memberOf } from './constructs-page.ts';
import { declarationsIn } from './declarations.ts';
import { code, page, sentence, table } from './markdown.ts';
import { JSON_DOCUMENTS, SETTINGS, STACK_TEXTS } from './reference-texts.ts';

const ROOT = join(import.meta.dirname, '..');
/** The generated pages of `docs/reference`, by file name. */
export function referencePages(): Readonly<Record<string, string>> {
  return {
    'cli.md': cliPage(queueCanaryCommand()),
    'settings.md': settingsPage(),
    'constructs.md': constructsPage(),
    'stacks.md': stacksPage(),
    'json.md': jsonPage(),
  };
}

/** The command as it is declared; none of its actions may run. */
export function queueCanaryCommand(): Command {
  const absent = () => {
    throw new Error('this command is read, not run');
  };
  return createCommand(
    {
      clock: new SystemClock(),
      terminal: createTerminal(process.stderr),
      print: absent,
      environment: {},
      signal: new AbortController().signal,
      ask: absent,
    },
    absent,
  );
}

function cliPage(program: Command): string {
  return page(
    'Command line',
    `In a checkout, \`npx queue-canary\` runs the command. Commands that reach AWS or an engine first print where they go. A
state directory means the engine in it; if that engine does not answer, the command stops. Without a state directory,
\`AWS_ENDPOINT_URL\` means that endpoint, and otherwise the target is AWS. \`--aws\` always means AWS. Results go to
standard output, progress and messages to standard error.`,
    ...commandsOf(program).map(commandSection),
    `## Exit status\n\nCommands end with 0, or with 1 after an error. \`release start --wait\` and \`release watch --until-done\` end with:\n\n${table(
      ['status', 'meaning'],
      EXIT_STATUSES.map(([status, meaning]) => [String(status), meaning]),
    )}`,
  );
}

function commandsOf(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(commandsOf);
}

/** The words that call a command. */
export function fullName(command: Command): string {
  return command.parent ? `${fullName(command.parent)} ${command.name()}` : command.name();
}

function commandSection(command: Command): string {
  const parameters = command.registeredArguments.map((argument) => `<${argument.name()}>`);
  const options = command.options.filter(({ hidden }) => !hidden);
  const rows = options.map((option) => {
    const usual = option.defaultValue;
    const isShown = usual !== undefined && usual !== false && !(Array.isArray(usual) && usual.length === 0);
    const choices = option.argChoices === undefined ? '' : `; one of ${option.argChoices.join(', ')}`;
    const required = option.mandatory ? '; required' : '';
    return [
      code(option.flags),
      `${option.description}${choices}${required}`,
      isShown ? code(String(usual)) : '',
    ];
  });
  return [
    `## ${fullName(command).replace('queue-canary ', '')}`,
    `\`${[fullName(command), ...parameters, ...(options.length > 0 ? ['[options]'] : [])].join(' ')}\``,
    sentence(command.description()),
    ...command.registeredArguments.map((argument) => {
      const { argChoices, description } = argument;
      const text = argChoices === undefined ? description : `one of ${argChoices.join(', ')}`;
      return `\`<${argument.name()}>\`: ${text}.`;
    }),
    ...(rows.length === 0 ? [] : [table(['option', 'meaning', 'default'], rows)]),
  ].join('\n\n');
}

/** The context values that the app reads, each with what it accepts. */
export function contextValues(): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  const { node } = new RootConstruct();
  node.tryGetContext = (name: string) => {
    values.set(name, '');
    return '?';
  };
  try {
    readSettings(node);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    for (const [, name, accepted] of error.message.matchAll(/^ {2}- (\w+) must be (.*), not "\?"$/gm)) {
      values.set(name!, accepted!);
    }
  }
  return values;
}

function settingsPage(): string {
  const values = contextValues();
  const sections = SETTINGS.map(({ title, text, settings }) => {
    const rows = settings.map(({ context, of: [owner, property], meaning, usual }) => {
      const member = property === undefined ? undefined : memberOf(owner, property);
      return [
        code(context),
        member === undefined ? '' : code(member.name),
        usual ?? member?.default ?? '',
        values.get(context) ?? '',
        meaning ?? member?.text ?? '',
      ];
    });
    return [
      `## ${title}`,
      ...(text === undefined ? [] : [text]),
      table(['context', 'property', 'default', 'accepts', 'meaning'], rows),
    ].join('\n\n');
  });
  const json = [...policySettings].map(([setting, { property = '', default: usual }]) => [
    code(setting),
    code(property),
    code(JSON.stringify(usual)),
  ]);
  return page(
    'Settings',
    `A setting is a context value of [the app](../../examples/app/settings.ts), given as \`-c name=value\` to \`deploy\` and
\`doctor\`, and a property of the constructs. Settings are not remembered: give the same ones at each deployment. A
setting that does not exist, or has a wrong value, fails synthesis, with every problem at once.
[Set the policy](../how-to/set-the-policy.md) explains how to choose.`,
    ...sections,
    `## The policy as JSON\n\nThe controller reads the policy from its environment (\`QC_POLICY\`), and \`calibrate --policy\` reads it from a file. Times are in milliseconds. A setting that the controller does not know is refused.\n\n${table(['setting', 'property', 'default'], json)}`,
  );
}

interface Environment {
  readonly Name: string;
}

function stacksPage(): string {
  // CDK leaves what it synthesizes in the system's temporary directory unless it is told where.
  const outdir = mkdtempSync(join(tmpdir(), 'queue-canary-reference-'));
  try {
    return pageOf(addQueueCanary(new App({ outdir, context: { retryDelaySeconds: '1' } })));
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

function pageOf({ imageStack, pipelineStack }: ReturnType<typeof addQueueCanary>): string {
  const [image, pipeline] = [Template.fromStack(imageStack), Template.fromStack(pipelineStack)];
  const outputs = (template: Template) =>
    Object.keys(template.findOutputs('*')).filter((name) => !name.startsWith('ExportsOutput'));
  const container: Environment[] = Object.values(pipeline.findResources('AWS::ECS::TaskDefinition'))[0]
    ?.Properties.ContainerDefinitions[0].Environment;
  const controller = Object.values(pipeline.findResources('AWS::Lambda::Function')).find(
    ({ Properties }) => Properties.Environment !== undefined,
  );
  const stages: readonly { readonly Name: string; readonly Actions: readonly { readonly Name: string }[] }[] =
    Object.values(pipeline.findResources('AWS::CodePipeline::Pipeline'))[0]?.Properties.Stages;
  const rows = (names: readonly string[], texts: Readonly<Record<string, string>>) =>
    names.map((name) => {
      const text = texts[name];
      if (text === undefined) throw new Error(`tools/reference-texts.ts does not say what ${name} is`);
      return [code(name), text];
    });
  const { imageOutputs, pipelineOutputs, containerEnvironment, controllerEnvironment, actions } = STACK_TEXTS;
  return page(
    'Stacks',
    `Two stacks per application, \`<App>Image\` and \`<App>Pipeline\` (\`--app-name\`, default \`QueueCanary\`). Their outputs,
environment variables, and the names of stages and actions are a contract between the constructs, the controller, the
command line and the engine. Physical names are generated, except those of the source repository, the pipeline and the
image parameter, which follow the stack's name.`,
    `## Outputs of the image stack\n\n${table(['output', 'meaning'], rows(outputs(image), imageOutputs))}`,
    `## Outputs of the pipeline stack\n\n${table(['output', 'meaning'], rows(outputs(pipeline), pipelineOutputs))}`,
    `## Stages of the pipeline\n\n${table(
      ['stage', 'action', 'meaning'],
      stages.flatMap(({ Name, Actions }) =>
        Actions.map((action) => {
          const text = actions[action.Name];
          if (text === undefined)
            throw new Error(`tools/reference-texts.ts does not say what ${action.Name} does`);
          return [code(Name), code(action.Name), text];
        }),
      ),
    )}`,
    `## Container environment\n\nBoth services have one container, \`worker\`. The image itself brings \`QC_REVISION\`, the commit.\n\n${table(
      ['variable', 'meaning'],
      rows(
        container.map(({ Name }) => Name),
        containerEnvironment,
      ),
    )}`,
    `## Controller environment\n\n${table(
      ['variable', 'meaning'],
      rows(Object.keys(controller?.Properties.Environment.Variables ?? {}), controllerEnvironment),
    )}`,
  );
}

function jsonPage(): string {
  return page(
    'JSON output',
    `Commands with \`--json\` print one JSON document on standard output. A question mark marks a field that may be absent.
A name that ends in \`Ms\` or \`At\` holds milliseconds, as a duration or since 1970, unless the text says otherwise.`,
    ...JSON_DOCUMENTS.map(({ title, text, documents }) =>
      [
        `## ${title}`,
        text,
        ...documents.map(({ file, name, without = [] }) => {
          const found = declarationsIn(join(ROOT, file)).find((each) => each.name === name);
          if (found === undefined) throw new Error(`${file} exports no ${name}`);
          const inherited =
            found.bases.length === 0 ? '' : ` Has also the fields of ${found.bases.map(code).join(', ')}.`;
          const rows = found.members
            .filter((member) => !without.includes(member.name))
            .map((member) => [
              code(`${member.name}${member.optional ? '?' : ''}`),
              code(member.type.replaceAll('readonly ', '').replaceAll(/; \}/g, ' }')),
              member.text,
            ]);
          return `### ${name}\n\n${found.text}${inherited}\n\n${table(['field', 'type', 'meaning'], rows)}`;
        }),
      ].join('\n\n'),
    ),
  );
}
