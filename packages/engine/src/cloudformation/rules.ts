import { isObject, type Json } from '../resources/schema.ts';
import { evaluateCondition, type Scope } from './intrinsics.ts';
import { type Template, templateError } from './template.ts';

/** Checks the assertions in the template's `Rules`, such as CDK's on the version of the bootstrap stack. */
export function checkRules(template: Template, scope: Scope): void {
  for (const [name, rule] of Object.entries(template.Rules)) {
    if (rule.RuleCondition !== undefined && !evaluateCondition(rule.RuleCondition, scope)) continue;
    for (const assertion of assertions(name, rule.Assertions)) {
      if (evaluateCondition(assertion.assert, scope)) continue;
      throw templateError(
        `Template error: the assertion of rule ${name} failed${assertion.description ? `: ${assertion.description}` : ''}`,
      );
    }
  }
}

function assertions(
  rule: string,
  value: Json | undefined,
): Array<{ assert: Json; description: string | undefined }> {
  if (!Array.isArray(value))
    throw templateError(`Template format error: [/Rules/${rule}] Every Rule must have Assertions`);
  return value.map((item) => {
    if (!isObject(item) || item.Assert === undefined) {
      throw templateError(
        `Template format error: [/Rules/${rule}] Every assertion must contain an Assert member`,
      );
    }
    return {
      assert: item.Assert,
      description: typeof item.AssertDescription === 'string' ? item.AssertDescription : undefined,
    };
  });
}
