import fc from 'fast-check';

/**
 * Property tests draw the same cases in every run, so that a failure belongs to the change that shows it.
 * `QC_SEED=random` or a number looks for new cases; a case that is found becomes a test of its own.
 */
const { QC_SEED } = process.env;
if (QC_SEED !== 'random') fc.configureGlobal({ seed: Number(QC_SEED ?? 20_261_121) });
