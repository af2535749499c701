import { createRequire } from 'node:module';

interface Finding {
  readonly severity: string;
  readonly ruleId: string;
  readonly message: string;
}

interface Validator {
  readonly CompositeEngine: new () => {
    validateTemplate(template: unknown): { diagnostics: Finding[] };
    free(): void;
  };
  readonly TemplateContent: new (content: string) => unknown;
}

/** What the validator inside aws-cdk-lib has against a template, hints aside. */
export function findings(template: string): Finding[] {
  const fromCdk = createRequire(createRequire(import.meta.url).resolve('aws-cdk-lib'));
  const { CompositeEngine, TemplateContent }: Validator = fromCdk('@aws/cloudformation-validate');
  const engine = new CompositeEngine();
  try {
    return engine
      .validateTemplate(new TemplateContent(template))
      .diagnostics.filter(({ severity }) => severity !== 'INFO')
      .map(({ severity, ruleId, message }) => ({ severity, ruleId, message }));
  } finally {
    engine.free();
  }
}
