import { fileURLToPath } from 'node:url';

// The package brings the examples in its dist, with the app compiled; a checkout runs them where they lie.
const compiled = import.meta.url.endsWith('.js');
const examples = new URL(compiled ? './examples/' : '../../../examples/', import.meta.url);

/** Directory of the worker that users replace with theirs. */
export const SAMPLE_APP = fileURLToPath(new URL('sample-app', examples));

/** Program that synthesizes both stacks. */
export const CDK_APP = fileURLToPath(new URL(compiled ? 'app/app.js' : 'app/app.ts', examples));

/** What Node must be told so that it finds the packages of a checkout as sources. */
export const NODE_OPTIONS = compiled ? [] : ['--conditions=@queue-canary/source'];
