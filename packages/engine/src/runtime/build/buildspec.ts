import type { Document, Node, ParsedNode } from 'yaml';
import { excessOfYaml, yaml } from '../../bounded-yaml.ts';
import { UserError } from '../../errors.ts';

export type BuildPhaseName = 'INSTALL' | 'PRE_BUILD' | 'BUILD' | 'POST_BUILD';

/** The commands of one phase. */
export interface BuildspecPhase {
  readonly name: BuildPhaseName;
  readonly commands: readonly string[];
  /** Run after the commands whether or not they failed. */
  readonly finallyCommands: readonly string[];
  /** Absent when not written: then CodeBuild's usual transitions apply. */
  readonly onFailure?: 'ABORT' | 'CONTINUE';
}

/** Which files a build hands on. */
export interface BuildspecArtifacts {
  /** Patterns, relative to the base directory. Like every text here they may contain variables of the shell. */
  readonly files: readonly string[];
  readonly excludePaths: readonly string[];
  readonly baseDirectory?: string;
  /** As written: `yes` once its variables are replaced. */
  readonly discardPaths: string;
  /** Name as written; may contain variables that only the build knows. */
  readonly name?: string;
}

/** A buildspec, checked. */
export interface Buildspec {
  /** In version 0.1 each command has a shell of its own, in 0.2 all share one. */
  readonly version: '0.1' | '0.2';
  readonly shell: 'sh' | 'bash';
  readonly variables: Readonly<Record<string, string>>;
  /** By variable: the name of the parameter that has its value. */
  readonly parameterStore: Readonly<Record<string, string>>;
  /** Variables from Secrets Manager: `secret-id:json-key:version-stage:version-id`. */
  readonly secretsManager: Readonly<Record<string, string>>;
  /** Whether git commands of the build log in to the source's provider by themselves. */
  readonly gitCredentialHelper: boolean;
  /** Variables whose values at the end of the build are handed to the pipeline. */
  readonly exportedVariables: readonly string[];
  /** Languages and versions of the install phase, as written. */
  readonly runtimeVersions: Readonly<Record<string, string>>;
  readonly phases: readonly BuildspecPhase[];
  readonly artifacts?: BuildspecArtifacts;
  /** By artifact identifier. */
  readonly secondaryArtifacts: Readonly<Record<string, BuildspecArtifacts>>;
}

const VARIABLE = /^[A-Za-z_]\w*$/;

const PHASES: readonly [key: string, name: BuildPhaseName][] = [
  ['install', 'INSTALL'],
  ['pre_build', 'PRE_BUILD'],
  ['build', 'BUILD'],
  ['post_build', 'POST_BUILD'],
];

/**
 * Reads a buildspec.
 *
 * What CodeBuild would reject, and what this engine cannot do (reports, batches, proxies, other users),
 * fails at once with the line it stands on: a build that quietly leaves something out is not the build that was
 * asked for.
 *
 * @param file - name for messages, as the project gives it
 */
export function parseBuildspec(text: string, file = 'buildspec.yml'): Buildspec {
  return new Reader(text, file).read();
}

type Fields = ReadonlyMap<string, { readonly key: Node; readonly value: Node | null }>;

class Reader {
  readonly #lines = new (yaml().LineCounter)();
  readonly #file: string;
  readonly #document: Document.Parsed;

  constructor(text: string, file: string) {
    this.#file = file;
    const excess = excessOfYaml(text);
    if (excess !== undefined)
      throw new UserError(
        'InvalidBuildspec',
        `${file} ${excess}, which the local engine does not read: move long commands into scripts.`,
      );
    this.#document = yaml().parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
  }

  read(): Buildspec {
    const [broken] = this.#document.errors;
    if (broken !== undefined)
      throw this.#errorAt(broken.pos[0], `this is not valid YAML: ${broken.message.split('\n')[0]}`);
    const root = this.#document.contents;
    if (root === null) throw new UserError('InvalidBuildspec', `${this.#file} is empty.`);
    const fields = this.#fields(root, 'the buildspec', {
      known: ['version', 'run-as', 'env', 'phases', 'artifacts', 'cache'],
      unsupported: ['proxy', 'batch', 'reports'],
    });
    this.#runAs(fields, '');
    const version = fields.get('version');
    if (version === undefined)
      throw new UserError('InvalidBuildspec', `${this.#file} has no version; write "version: 0.2".`);
    const number = this.#text(version.value, 'version');
    if (number !== '0.2' && number !== '0.1')
      throw this.#error(version.value ?? version.key, 'the version must be 0.2, or 0.1');
    const phases = fields.get('phases');
    if (phases?.value === undefined || phases.value === null)
      throw this.#error(phases?.key ?? root, 'there are no phases');
    const artifacts = fields.get('artifacts');
    const { primary, secondary } = artifacts?.value
      ? this.#artifacts(artifacts.value)
      : { primary: undefined, secondary: {} };
    return {
      version: number,
      ...this.#env(fields.get('env')?.value ?? null),
      ...this.#phases(phases.value),
      ...(primary === undefined ? {} : { artifacts: primary }),
      secondaryArtifacts: secondary,
    };
  }

  #env(
    node: Node | null,
  ): Pick<
    Buildspec,
    'shell' | 'variables' | 'parameterStore' | 'secretsManager' | 'gitCredentialHelper' | 'exportedVariables'
  > {
    const fields: Fields =
      node === null
        ? new Map()
        : this.#fields(node, 'env', {
            known: [
              'shell',
              'variables',
              'parameter-store',
              'secrets-manager',
              'exported-variables',
              'git-credential-helper',
            ],
            unsupported: [],
          });
    const shell = fields.get('shell');
    const shellName =
      shell === undefined ? 'sh' : this.#text(shell.value, 'env.shell').replace('/bin/sh', 'sh');
    if (shellName !== 'bash' && shellName !== 'sh')
      throw this.#error(shell!.key, `the shell "${shellName}" is not supported; use bash or /bin/sh`);
    const helper = fields.get('git-credential-helper');
    const asked = helper === undefined ? 'no' : this.#text(helper.value, 'env.git-credential-helper');
    if (!/^(yes|no|true|false)$/i.test(asked))
      throw this.#error(helper!.key, `env.git-credential-helper must be yes or no, not "${asked}"`);
    return {
      shell: shellName,
      variables: this.#texts(fields.get('variables')?.value ?? null, 'env.variables', VARIABLE),
      parameterStore: this.#texts(
        fields.get('parameter-store')?.value ?? null,
        'env.parameter-store',
        VARIABLE,
      ),
      secretsManager: this.#texts(
        fields.get('secrets-manager')?.value ?? null,
        'env.secrets-manager',
        VARIABLE,
      ),
      gitCredentialHelper: /^(yes|true)$/i.test(asked),
      exportedVariables: this.#list(
        fields.get('exported-variables')?.value ?? null,
        'env.exported-variables',
      ),
    };
  }

  #phases(node: Node): Pick<Buildspec, 'phases' | 'runtimeVersions'> {
    const fields = this.#fields(node, 'phases', { known: PHASES.map(([key]) => key), unsupported: [] });
    if (fields.size === 0) throw this.#error(node, 'there are no phases');
    let runtimeVersions: Record<string, string> = {};
    const phases = PHASES.flatMap(([key, name]): BuildspecPhase[] => {
      const phase = fields.get(key)?.value;
      if (phase === undefined || phase === null) return [];
      const inner = this.#fields(phase, `phases.${key}`, {
        known: [
          'run-as',
          'commands',
          'finally',
          'on-failure',
          ...(key === 'install' ? ['runtime-versions'] : []),
        ],
        unsupported: ['steps'],
      });
      this.#runAs(inner, `phases.${key}.`);
      const versions = inner.get('runtime-versions')?.value ?? null;
      if (versions !== null)
        runtimeVersions = this.#texts(versions, 'phases.install.runtime-versions', /^[a-z]+$/);
      const commands = this.#list(inner.get('commands')?.value ?? null, `phases.${key}.commands`);
      if (commands.length === 0 && versions === null)
        throw this.#error(phase, `phases.${key} has no commands`);
      const onFailure = inner.get('on-failure');
      return [
        {
          name,
          commands,
          finallyCommands: this.#list(inner.get('finally')?.value ?? null, `phases.${key}.finally`),
          ...(onFailure === undefined
            ? {}
            : { onFailure: this.#onFailure(onFailure.value ?? onFailure.key, key) }),
        },
      ];
    });
    return { phases, runtimeVersions };
  }

  /** Builds run as root in CodeBuild, and with the rights of the engine's user here: `root` asks for nothing else. */
  #runAs(fields: Fields, where: string): void {
    const field = fields.get('run-as');
    if (field !== undefined && this.#text(field.value, `${where}run-as`) !== 'root')
      throw this.#error(
        field.key,
        `${where}run-as is not supported by the local engine for other users than root; remove it, or build in AWS`,
      );
  }

  #onFailure(node: Node, phase: string): 'ABORT' | 'CONTINUE' {
    const text = this.#text(node, `phases.${phase}.on-failure`);
    if (/^RETRY(-|$)/.test(text))
      throw this.#error(
        node,
        `phases.${phase}.on-failure ${text} is not supported by the local engine; use ABORT or CONTINUE, or build in AWS`,
      );
    if (text !== 'ABORT' && text !== 'CONTINUE')
      throw this.#error(node, `phases.${phase}.on-failure must be ABORT or CONTINUE, not "${text}"`);
    return text;
  }

  #artifacts(node: Node): {
    primary: BuildspecArtifacts | undefined;
    secondary: Record<string, BuildspecArtifacts>;
  } {
    const own = ['files', 'exclude-paths', 'base-directory', 'discard-paths', 'name'];
    const unsupported = ['enable-symlinks', 's3-prefix'];
    const fields = this.#fields(node, 'artifacts', { known: [...own, 'secondary-artifacts'], unsupported });
    const secondaryNode = fields.get('secondary-artifacts')?.value ?? null;
    const secondary: Record<string, BuildspecArtifacts> = {};
    if (secondaryNode !== null) {
      for (const [id, { key, value }] of this.#fields(secondaryNode, 'artifacts.secondary-artifacts')) {
        const where = `artifacts.secondary-artifacts.${id}`;
        secondary[id] = this.#artifactFields(
          this.#fields(value ?? key, where, { known: own, unsupported }),
          where,
          value ?? key,
        );
      }
    }
    if (!fields.has('files') && secondaryNode !== null) return { primary: undefined, secondary };
    return { primary: this.#artifactFields(fields, 'artifacts', node), secondary };
  }

  #artifactFields(fields: Fields, where: string, node: Node): BuildspecArtifacts {
    const files = this.#list(fields.get('files')?.value ?? null, `${where}.files`);
    if (files.length === 0) throw this.#error(node, `${where} names no files`);
    const baseDirectory = fields.get('base-directory');
    const name = fields.get('name');
    const discard = fields.get('discard-paths');
    return {
      files,
      excludePaths: this.#list(fields.get('exclude-paths')?.value ?? null, `${where}.exclude-paths`),
      discardPaths: discard === undefined ? 'no' : this.#text(discard.value, `${where}.discard-paths`),
      ...(baseDirectory === undefined
        ? {}
        : { baseDirectory: this.#text(baseDirectory.value, `${where}.base-directory`) }),
      ...(name === undefined ? {} : { name: this.#text(name.value, `${where}.name`) }),
    };
  }

  #fields(
    node: Node,
    where: string,
    allowed?: { known: readonly string[]; unsupported: readonly string[] },
  ): Fields {
    const target = this.#resolve(node);
    if (!yaml().isMap(target)) throw this.#error(node, `${where} must have named entries`);
    const fields = new Map<string, { key: Node; value: Node | null }>();
    for (const pair of target.items) {
      const key = pair.key as ParsedNode;
      const name = yaml().isScalar(key) ? String(key.value) : '';
      if (allowed?.unsupported.includes(name))
        throw this.#error(
          key,
          `${where === 'the buildspec' ? '' : `${where}.`}${name} is not supported by the local engine; remove it, or build in AWS`,
        );
      if (allowed !== undefined && !allowed.known.includes(name))
        throw this.#error(key, `"${name}" is not known in ${where}; known are ${allowed.known.join(', ')}`);
      const value = pair.value as ParsedNode | null;
      fields.set(name, { key, value: yaml().isScalar(value) && value.value === null ? null : value });
    }
    return fields;
  }

  #texts(node: Node | null, where: string, name: RegExp): Record<string, string> {
    if (node === null) return {};
    const entries = [...this.#fields(node, where)].map(([key, field]) => {
      if (!name.test(key)) throw this.#error(field.key, `"${key}" is not a valid name in ${where}`);
      return [key, field.value === null ? '' : this.#text(field.value, `${where}.${key}`)] as const;
    });
    return Object.fromEntries(entries);
  }

  /** CodeBuild takes a single text for a list of one. */
  #list(node: Node | null, where: string): string[] {
    if (node === null) return [];
    const target = this.#resolve(node);
    if (yaml().isSeq(target))
      return target.items.map((item, index) => this.#text(item as Node, `${where}[${index}]`));
    return [this.#text(target, where)];
  }

  #text(node: Node | null, where: string): string {
    const target = node === null ? null : this.#resolve(node);
    if (yaml().isScalar(target) && target.value !== null && typeof target.value !== 'object') {
      // As written: 1.0 must not become 1, nor yes something else.
      return typeof target.value === 'string' ? target.value : (target.source ?? String(target.value));
    }
    const hint = yaml().isMap(target)
      ? ' (a colon followed by a blank makes it an entry: put the text in quotes)'
      : '';
    throw this.#error(node, `${where} must be text${hint}`);
  }

  #resolve(node: Node): Node {
    const target = yaml().isAlias(node) ? node.resolve(this.#document) : node;
    if (target === undefined) throw this.#error(node, 'this refers to an anchor that does not exist');
    return target;
  }

  #error(node: Node | null, what: string): UserError {
    return this.#errorAt(node?.range?.[0] ?? 0, what);
  }

  #errorAt(offset: number, what: string): UserError {
    return new UserError(
      'InvalidBuildspec',
      `${this.#file} line ${this.#lines.linePos(offset).line}: ${what}.`,
    );
  }
}
