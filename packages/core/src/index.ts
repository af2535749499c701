export * from './policy/policy.ts';
export * from './release/effect.ts';
export { assessHealth, type Health } from './release/health.ts';
export { currentRelease, isActive, type Journey } from './release/journey.ts';
export * from './release/observed.ts';
export * from './release/plan.ts';
export * from './release/record.ts';
export { renderStatus, type Styler, type Tone } from './view/render.ts';
export * from './view/view.ts';
