import { describe, expect, it } from 'vitest';
import { readSettings, SettingsError } from '../src/settings.ts';

const complete = { QUEUE_URL: 'https://q', QC_APP: 'Shop', QC_TRACK: 'stable', QC_REVISION: 'abc' };

describe('readSettings', () => {
  it('waits a second before a failed message is delivered again unless told otherwise', () => {
    expect(readSettings(complete).retryDelaySeconds).toBe(1);
    expect(readSettings({ ...complete, RETRY_DELAY_SECONDS: '0' }).retryDelaySeconds).toBe(0);
  });

  it('names everything that is missing in one error', () => {
    expect(() => readSettings({ QC_APP: 'Shop', QC_REVISION: '' })).toThrow(
      new SettingsError(
        'The worker cannot start: QUEUE_URL is not set, QC_TRACK is not set, QC_REVISION is not set.',
      ),
    );
  });

  it.each(['-1', '1.5', 'soon', '', '43201'])('refuses a retry delay of "%s"', (delay) => {
    expect(() => readSettings({ ...complete, RETRY_DELAY_SECONDS: delay })).toThrow(/RETRY_DELAY_SECONDS/);
  });
});
