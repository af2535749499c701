import { type NamedOperator, readOperator } from './condition-operators.ts';
import type { Keys, PolicyTexts } from './policy-variables.ts';

type Value = string | number | boolean;

/** The `Condition` element of a statement. */
export type Conditions = Readonly<Record<string, Readonly<Record<string, Value | readonly Value[]>>>>;

/** Whether every condition holds for the values of the request. */
export function conditionsHold(conditions: Conditions, keys: Keys, texts: PolicyTexts): boolean {
  return Object.entries(conditions).every(([name, pairs]) => {
    // Names are checked where a policy is put.
    const operator = readOperator(name)!;
    return Object.entries(pairs).every(([key, wanted]) =>
      holds(operator, keys.get(key.toLowerCase()) ?? [], [wanted].flat().map(String), texts),
    );
  });
}

/**
 * One key against the values that a policy lists for it, of which one must match, or none for a negated operator.
 *
 * A missing key matches nothing: it fails an operator and satisfies a negated one. `...IfExists` holds without the
 * key, and so does `ForAllValues`; `ForAnyValue` needs a value, whatever follows it. A key without a value, or with
 * an empty text only, counts for both qualifiers as missing. Without a qualifier, several values match nothing.
 *
 * Source: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Single-valued vs. multivalued context
 * keys". That `IfExists` does nothing to `ForAnyValue` is not written there; it is what IAM was seen to do, and the
 * stricter reading for what a statement allows.
 */
function holds(
  { qualifier, ifExists, operator }: NamedOperator,
  actual: readonly string[],
  expected: readonly string[],
  texts: PolicyTexts,
): boolean {
  if (operator === null) return expected.some((value) => value.toLowerCase() === String(actual.length === 0));
  const one = (value: string) =>
    expected.some((each) => operator.compare(value, each, texts)) !== operator.negated;
  const values = qualifier !== undefined && actual.every((value) => value === '') ? [] : actual;
  if (qualifier === 'ForAnyValue') return values.some(one);
  if (qualifier === 'ForAllValues') return values.every(one);
  if (values.length === 0) return ifExists || operator.negated;
  return values.length === 1 ? one(values[0]!) : operator.negated;
}
