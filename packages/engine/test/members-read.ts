import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as ast from 'typescript/unstable/ast';
import * as is from 'typescript/unstable/ast/is';
import { API, type Symbol as Named, type Project } from 'typescript/unstable/sync';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SERVICES = join(ROOT, 'packages/engine/src/services');

/** Names of the members that some code reads of an object, or `all` where the object goes on as a whole. */
type Members = Set<string> | 'all';

type Function = ast.ArrowFunction | ast.FunctionExpression | ast.FunctionDeclaration | ast.MethodDeclaration;

/**
 * Which members of its input the code of each operation reads, by service and operation: what `run` reads itself, and
 * the functions to which it hands the input. IAM's questions (`resources` and the like) do not count, since a member
 * that they alone read does not change what is done.
 */
export function membersRead(): Map<string, Members> {
  const api = new API({ cwd: ROOT });
  try {
    const snapshot = api.updateSnapshot({ openProjects: [join(ROOT, 'tsconfig.check.json')] });
    const reader = new Reader(snapshot.getProjects()[0]!);
    const read = new Map<string, Members>();
    for (const service of readdirSync(SERVICES, { withFileTypes: true })) {
      if (!service.isDirectory()) continue;
      for (const file of readdirSync(join(SERVICES, service.name), { recursive: true, encoding: 'utf8' })) {
        if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue;
        for (const [operation, members] of reader.operations(join(SERVICES, service.name, file)))
          read.set(`${service.name}:${operation}`, members);
      }
    }
    return read;
  } finally {
    api.close();
  }
}

class Reader {
  readonly #project: Project;
  /** What functions read of a parameter; those that are under way read nothing more. */
  readonly #known = new Map<ast.Node, Map<number, Members>>();

  constructor(project: Project) {
    this.#project = project;
  }

  operations(path: string): Array<[string, Members]> {
    const found: Array<[string, Members]> = [];
    const visit = (node: ast.Node): void => {
      if (is.isPropertyAssignment(node) && /^[A-Z]/.test(nameOf(node.name) ?? '')) {
        const run = this.#runOf(node.initializer);
        if (run) found.push([nameOf(node.name)!, this.#readBy(run, 0)]);
      }
      node.forEachChild(visit);
    };
    visit(this.#project.program.getSourceFile(path)!);
    return found;
  }

  /** The function that carries an operation out, if the expression is an operation. */
  #runOf(expression: ast.Expression): Function | undefined {
    if (is.isObjectLiteralExpression(expression)) {
      for (const property of expression.properties) {
        if (is.isSpreadAssignment(property) || nameOf(property.name) !== 'run') continue;
        if (is.isMethodDeclaration(property)) return property;
        if (is.isPropertyAssignment(property)) return this.#functionOf(property.initializer);
      }
    } else if (is.isCallExpression(expression)) {
      const made = this.#madeBy(expression);
      return made && this.#runOf(made);
    }
    return undefined;
  }

  #functionOf(expression: ast.Expression): Function | undefined {
    if (is.isArrowFunction(expression) || is.isFunctionExpression(expression)) return expression;
    if (is.isCallExpression(expression)) {
      const made = this.#madeBy(expression);
      return made && this.#functionOf(made);
    }
    return this.#declared(this.#project.checker.getSymbolAtLocation(expression));
  }

  /** What a function returns that does little more than to return it. */
  #madeBy(call: ast.CallExpression): ast.Expression | undefined {
    const body = this.#calleeOf(call)?.body;
    if (!body) return undefined;
    const made = is.isBlock(body) ? body.statements.find(is.isReturnStatement)?.expression : body;
    return made && unwrapped(made as ast.Expression);
  }

  #calleeOf(call: ast.CallExpression): Function | undefined {
    const callee = is.isPropertyAccessExpression(call.expression) ? call.expression.name : call.expression;
    return this.#declared(this.#project.checker.getSymbolAtLocation(callee));
  }

  #declared(symbol: Named | undefined): Function | undefined {
    const { checker } = this.#project;
    if (symbol && symbol.flags & ALIAS) symbol = checker.getAliasedSymbol(symbol);
    const node = symbol?.valueDeclaration?.resolve();
    if (!node) return undefined;
    if (is.isFunctionDeclaration(node) || is.isMethodDeclaration(node)) return node.body ? node : undefined;
    if ((is.isVariableDeclaration(node) || is.isPropertyDeclaration(node)) && node.initializer)
      return this.#functionOf(node.initializer);
    return undefined;
  }

  #readBy(code: Function, index: number): Members {
    const known = this.#known.get(code) ?? new Map<number, Members>();
    this.#known.set(code, known);
    const before = known.get(index);
    if (before) return before;
    known.set(index, new Set());
    const parameter = code.parameters[index];
    const members = this.#isRefusal(code)
      ? 'all'
      : parameter
        ? this.#readOfBinding(parameter.name, code)
        : new Set<string>();
    known.set(index, members);
    return members;
  }

  /** Whether the function only ever throws, as operations do that are refused with what to do instead. */
  #isRefusal(code: Function): boolean {
    const { checker } = this.#project;
    const signature = checker.getSignatureFromDeclaration(code);
    const answer = signature && checker.getReturnTypeOfSignature(signature);
    return answer !== undefined && checker.typeToString(answer) === 'never';
  }

  #readOfBinding(name: ast.BindingName, scope: ast.Node): Members {
    if (is.isObjectBindingPattern(name)) {
      const members = new Set<string>();
      for (const element of name.elements) {
        if (element.dotDotDotToken) return 'all';
        members.add(nameOf(element.propertyName ?? element.name) ?? '');
      }
      return members;
    }
    if (!is.isIdentifier(name)) return 'all';
    const symbol = this.#project.checker.getSymbolAtLocation(name);
    const members: Members[] = [];
    const visit = (node: ast.Node): void => {
      if (is.isIdentifier(node) && node !== name && node.text === name.text) {
        const shorthand = node.parent && is.isShorthandPropertyAssignment(node.parent);
        const named = shorthand || !node.parent || !('name' in node.parent) || node.parent.name !== node;
        const meant = shorthand
          ? this.#project.checker.getShorthandAssignmentValueSymbol(node.parent)
          : named && this.#project.checker.getSymbolAtLocation(node);
        if (meant && meant.id === symbol?.id) members.push(this.#readAt(node, scope));
      }
      node.forEachChild(visit);
    };
    scope.forEachChild(visit);
    return union(members);
  }

  /** What the expression around a mention of the object reads of it. */
  #readAt(mention: ast.Node, scope: ast.Node): Members {
    let node = mention;
    let { parent } = node;
    while (
      is.isParenthesizedExpression(parent) ||
      is.isAsExpression(parent) ||
      is.isNonNullExpression(parent) ||
      is.isSatisfiesExpression(parent) ||
      (is.isConditionalExpression(parent) && parent.condition !== node)
    ) {
      node = parent;
      parent = node.parent;
    }
    if (is.isPropertyAccessExpression(parent) && parent.expression === node)
      return new Set([parent.name.text]);
    if (is.isElementAccessExpression(parent) && parent.expression === node) {
      const type = this.#project.checker.getTypeAtLocation(parent.argumentExpression);
      const types = type?.isUnionType() ? (type.getTypes() ?? []) : type ? [type] : [];
      return types.length > 0 && types.every((each) => each.isStringLiteralType())
        ? new Set(types.map((each) => String((each as { value: unknown }).value)))
        : 'all';
    }
    if (is.isVariableDeclaration(parent) && parent.initializer === node)
      return this.#readOfBinding(parent.name, scope);
    if (is.isBinaryExpression(parent) && parent.operatorToken.kind === ast.SyntaxKind.InKeyword)
      return new Set();
    // The copy of an object that is handed on: `{ ...input, Name }`.
    if (is.isSpreadAssignment(parent)) return this.#readAt(parent.parent, scope);
    if (is.isCallExpression(parent) && parent.expression !== node) {
      const callee = this.#calleeOf(parent);
      return callee ? this.#readBy(callee, parent.arguments.indexOf(node as ast.Expression)) : 'all';
    }
    return 'all';
  }
}

const ALIAS = 1 << 21;

function nameOf(name: ast.Node | undefined): string | undefined {
  return name && (is.isIdentifier(name) || is.isStringLiteral(name)) ? name.text : undefined;
}

function unwrapped(body: ast.Expression): ast.Expression {
  return is.isParenthesizedExpression(body) ? unwrapped(body.expression) : body;
}

function union(all: readonly Members[]): Members {
  const members = new Set<string>();
  for (const each of all) {
    if (each === 'all') return 'all';
    for (const name of each) members.add(name);
  }
  return members;
}
